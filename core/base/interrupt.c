/* SPDX-License-Identifier: Apache-2.0
 *
 * interrupt.c - see interrupt.h.
 */
#include <base/clock.h>
#include <base/interrupt.h>

#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <sys/time.h>
#include <unistd.h>

#define TICK_US 10000 /* between SIGALRMs once the first was due */

static bool (*hook)(void);
static volatile sig_atomic_t guarded;
static struct sigaction old_action;
static volatile sig_atomic_t wake_fd = -1; /* the writing end of interrupt_fd()'s pipe */

void interrupt_set_hook(bool (*asked)(void))
{
	hook = asked;
}

bool interrupt_asked(void)
{
	return hook != NULL && hook();
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* The timer repeats: a SIGALRM may come just before the call, too. */
void interrupt_guard_begin(uint64_t deadline_ns)
{
	struct sigaction sa = { .sa_handler = on_alarm }; /* no SA_RESTART */
	struct itimerval timer = { { 0, TICK_US }, { 0, 1 } };
	uint64_t now = clock_now_ns();

	if (deadline_ns > now) {
		timer.it_value.tv_sec = (time_t)((deadline_ns - now) / NS_PER_S);
		timer.it_value.tv_usec =
			(suseconds_t)((deadline_ns - now) % NS_PER_S * 999999 / NS_PER_S + 1);
	}
	sigaction(SIGALRM, &sa, &old_action);
	setitimer(ITIMER_REAL, &timer, NULL);
	guarded = 1;
}

void interrupt_guard_end(void)
{
	struct itimerval off = { { 0, 0 }, { 0, 0 } };

	guarded = 0;
	setitimer(ITIMER_REAL, &off, NULL);
	sigaction(SIGALRM, &old_action, NULL);
}

int interrupt_fd(void)
{
	static int fds[2] = { -1, -1 };

	if (fds[0] < 0 && pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0) {
		wake_fd = fds[1];
		if (interrupt_asked())
			(void)!write(fds[1], "", 1);
	}
	return fds[0];
}

void interrupt_wake(void)
{
	struct itimerval now = { { 0, TICK_US }, { 0, 1 } };

	if (wake_fd >= 0)
		(void)!write(wake_fd, "", 1);
	if (guarded)
		setitimer(ITIMER_REAL, &now, NULL); /* a bare system call on Linux */
}
