/* SPDX-License-Identifier: Apache-2.0 */
/* Errors as they travel between the folders: a negative errno in the return
 * value, and for people one line of text owned by the caller. */
#ifndef VDPAD_ERROR_H
#define VDPAD_ERROR_H 1

#define VDPAD_ERROR_TEXT 240

/* Filled only on failure; the caller owns it and need not initialise it. */
struct vdpad_error {
    int code;                    /* Negative errno. */
    char text[VDPAD_ERROR_TEXT]; /* One line: the offender, what was said
                                     * (the kernel's extended ACK where there
                                     * is one), and the remedy if known. */
};

/* Fills 'e' (NULL is allowed) with 'code' (a negative errno) and the text
 * formatted from 'format'; a text that is too long is cut.  Control characters
 * in the result are replaced by '?', so that it may go to a terminal.  Returns
 * 'code', so that callers can write "return vdpad_error_set(...)". */
int vdpad_error_set(struct vdpad_error *e, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
