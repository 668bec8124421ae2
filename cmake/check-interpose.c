/* SPDX-License-Identifier: Apache-2.0 */

/* Exits 0 if a time_poll() of the executable is called by poll_block() of a
 * shared libopenvswitch. */

#include <stdlib.h>

#include <openvswitch/poll-loop.h>
#include <ovs/timeval.h>

int
time_poll(struct pollfd *pollfds, int n_pollfds, HANDLE *handles,
          long long int timeout_when, int *elapsed)
{
    (void) pollfds;
    (void) n_pollfds;
    (void) handles;
    (void) timeout_when;
    (void) elapsed;
    exit(0);
}

int
main(void)
{
    poll_immediate_wake();
    poll_block();
    return 1;
}
