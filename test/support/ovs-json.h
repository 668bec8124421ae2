/* SPDX-License-Identifier: Apache-2.0 */

#ifndef TEST_OVS_JSON_H
#define TEST_OVS_JSON_H

/* Parses 'text' with libopenvswitch's parser, takes it apart, builds it anew
 * and prints it.  'text' is an object whose member "key" is an array of a
 * string, an integer and a real number.
 *
 * Returns the printed text, owned by the caller (free()). */
char *test_ovs_json_round_trip(const char *text);

#endif /* TEST_OVS_JSON_H */
