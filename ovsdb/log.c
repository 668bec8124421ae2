/* SPDX-License-Identifier: Apache-2.0 */
/* <vdpad/log.h> over Open vSwitch's vlog. */
#include <vdpad/log.h>

#include <stdarg.h>
#include <stdio.h>

#include <openvswitch/vlog.h>
#include <vdpad/text.h>

VLOG_DEFINE_THIS_MODULE(vdpad);

/* One line of a log: what is longer was not written for people. */
#define LINE_SIZE 1024

void
vdpad_log(enum vdpad_log_level level, const char *format, ...)
{
    static const enum vlog_level levels[] = {
        [VDPAD_LOG_ERR] = VLL_ERR,
        [VDPAD_LOG_WARN] = VLL_WARN,
        [VDPAD_LOG_INFO] = VLL_INFO,
        [VDPAD_LOG_DBG] = VLL_DBG,
    };
    enum vlog_level vll = levels[level];
    char line[LINE_SIZE], shown[LINE_SIZE + 4];
    va_list args;

    if (!vlog_is_enabled(&this_module, vll)) {
        return;
    }
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    /* vlog writes what it is given: a name from outside must neither begin
     * another line nor steer a terminal. */
    vdpad_printable(line, sizeof line, shown, sizeof shown);
    vlog(&this_module, vll, "%s", shown);
}
