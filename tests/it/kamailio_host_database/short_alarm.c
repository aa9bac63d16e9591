/* Preloaded into a server: an alarm in one of its host database processes rings after 2 s, and how long it was meant to
 * take is told on standard error, which is the server's log. */
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/time.h>

unsigned int alarm(unsigned int seconds)
{
    struct itimerval wanted = { { 0, 0 }, { seconds, 0 } }, left;
    char name[16] = "";

    prctl(PR_GET_NAME, name);
    if (seconds > 0 && strcmp(name, "sipcapture db") == 0) {
        dprintf(2, "alarm after %u s\n", seconds);
        wanted.it_value.tv_sec = 2;
    }
    setitimer(ITIMER_REAL, &wanted, &left);
    return left.it_value.tv_sec + (left.it_value.tv_usec > 0);
}
