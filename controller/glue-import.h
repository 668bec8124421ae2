/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VDPAD_GLUE_IMPORT_H
#define VDPAD_GLUE_IMPORT_H 1

/* Prints the ovs-vsctl command that sets the policies of 'file' ("-": standard
 * input), or on standard error what is wrong with it.  Returns the program's
 * exit status. */
int vdpad_import_main(const char *file);

#endif
