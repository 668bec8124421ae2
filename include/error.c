/* SPDX-License-Identifier: Apache-2.0 */
#include <vdpad/error.h>

#include <stdarg.h>
#include <stdio.h>

int
vdpad_error_set(struct vdpad_error *e, int code, const char *format, ...)
{
    va_list args;

    if (!e) {
        return code;
    }
    e->code = code;
    e->text[0] = '\0';
    va_start(args, format);
    (void) vsnprintf(e->text, sizeof e->text, format, args);
    va_end(args);
    for (char *p = e->text; *p; p++) {
        unsigned char c = (unsigned char) *p;

        /* Bytes above 0x7f are left: they may be UTF-8. */
        if (c < 0x20 || c == 0x7f) {
            *p = '?';
        }
    }
    return code;
}
