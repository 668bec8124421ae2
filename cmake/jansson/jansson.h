/* SPDX-License-Identifier: Apache-2.0 */

/* Stands before jansson's own header and renames the functions whose names
 * libopenvswitch has too, see cmake/VdpadJansson.cmake. */

#ifndef VDPAD_JANSSON_H
#define VDPAD_JANSSON_H

#define json_array vdpad_jansson_array
#define json_equal vdpad_jansson_equal
#define json_integer vdpad_jansson_integer
#define json_object vdpad_jansson_object
#define json_real vdpad_jansson_real
#define json_string vdpad_jansson_string

#include_next <jansson.h>

#endif /* VDPAD_JANSSON_H */
