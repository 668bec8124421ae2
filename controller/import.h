/* SPDX-License-Identifier: Apache-2.0 */
/* Policies of the SR-IOV network operator, as words of ours. */
#ifndef VDPAD_IMPORT_H
#define VDPAD_IMPORT_H 1

#include <stdbool.h>
#include <stddef.h>

/* Reads 'text' of 'len' bytes, YAML with SriovNetworkNodePolicy objects, which
 * messages call 'file'.  Returns true and in '*ret_command' the one ovs-vsctl
 * command, ready for a shell, that sets all of them; or false and NULL there
 * when anything is wrong with any of them.
 *
 * '*ret_messages' is lines "FILE:LINE: FIELD: …" about what is wrong (false)
 * or not carried over (true), "" if there is nothing.  All text is printable.
 * The caller frees both.  Pure: no I/O. */
bool vdpad_import(const char *file, const char *text, size_t len,
                  char **ret_command, char **ret_messages);

#endif
