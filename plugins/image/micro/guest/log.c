/*
 * log.c - what the guest says about itself.
 *
 * Each line goes to the serial console, so that `holos logs` shows it, and to cloud-init's
 * log.  A complaint is also remembered below /run: it turns the boot's status to "error".
 */
#include "micro.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

__attribute__((format(printf, 1, 0))) static void line(const char *f, va_list ap, bool error)
{
	char text[1024];
	int n = vsnprintf(text, sizeof(text) - 2, f, ap), fd;
	char out[1100];
	size_t len;

	if (n < 0)
		return;
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ')
			*c = ' '; /* one message, one line */
	n = snprintf(out, sizeof(out), "micro: %s\n", text);
	len = n < 0 ? 0 : (size_t)n;
	/* a log that cannot be written must not stop the boot: results are ignored */
	fd = open("/dev/console", O_WRONLY | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0) {
		(void)write_all(fd, out, len);
		close(fd);
	}
	(void)spew(CI_LOG, out, len, O_APPEND, 0640);
	if (error)
		(void)spew(CI_ERRORS, out + strlen("micro: "), len - strlen("micro: "), O_APPEND,
			   0644);
}

void say(const char *f, ...)
{
	va_list ap;

	va_start(ap, f);
	line(f, ap, false);
	va_end(ap);
}

void complain(const char *f, ...)
{
	va_list ap;

	va_start(ap, f);
	line(f, ap, true);
	va_end(ap);
}

/* fail WHAT INDEX STATUS - called by the generated bootcmd and runcmd scripts */
int fail_main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	complain("%s[%s] failed with status %s", argv[1], argv[2], argv[3]);
	printf("micro: %s[%s] failed with status %s\n", argv[1], argv[2], argv[3]);
	return 0;
}
