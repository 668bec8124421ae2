/* SPDX-License-Identifier: Apache-2.0 */
/* Text from outside: what is valid, and what may be shown. */
#ifndef VDPAD_TEXT_H
#define VDPAD_TEXT_H 1

#include <stdbool.h>
#include <stddef.h>

/* Writes up to 'max_chars' characters of 'text' (any bytes) to 'buf' of 'size'
 * bytes, with "..." after a cut, and '?' for whatever could disturb a
 * terminal or a line. */
void vdpad_printable(const char *text, size_t max_chars, char *buf,
                     size_t size);

/* Whether 'text' is valid UTF-8; '*has_control' tells whether it contains
 * control characters other than white space. */
bool vdpad_is_utf8(const char *text, bool *has_control);

/* Whether 'text' is 1 to 'max' bytes long without white space and without
 * what vdpad_printable() would replace. */
bool vdpad_is_plain(const char *text, size_t max);

#endif
