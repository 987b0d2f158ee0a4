/* SPDX-License-Identifier: Apache-2.0
 *
 * cleanup.h - automatic release at the end of a scope, as crun and systemd do:
 *     _cleanup_(freep) char *p = xstrdup(s);
 *     return steal_ptr(&p);
 */
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))

/* Take the value out of *p, leaving NULL, so that its cleanup does nothing. */
#define steal_ptr(p)                                                                               \
	__extension__({                                                                            \
		__typeof__(*(p)) _stolen = *(p);                                                   \
		*(p) = NULL;                                                                       \
		_stolen;                                                                           \
	})

/* Define NAME(T **p) for _cleanup_: calls destroy(*p), which must accept NULL. */
#define DEFINE_CLEANUP(type, name, destroy)                                                        \
	static inline void name(type *p)                                                           \
	{                                                                                          \
		destroy(*p);                                                                       \
	}                                                                                          \
	struct base_cleanup_semicolon

static inline void freep(void *p)
{
	free(*(void **)p);
}

static inline void closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline int steal_fd(int *fd)
{
	int v = *fd;

	*fd = -1;
	return v;
}

static inline void fclosep(FILE **f)
{
	if (*f != NULL)
		fclose(*f);
}

static inline void closedirp(DIR **d)
{
	if (*d != NULL)
		closedir(*d);
}

#endif
