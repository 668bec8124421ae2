/* SPDX-License-Identifier: Apache-2.0 */
/* A host for tests of ports: two devices of one PF that need nothing but
 * perhaps a port. */
#ifndef TEST_PORT_HOST_H
#define TEST_PORT_HOST_H 1

#define PF "0000:65:00.0"
#define VF0 "0000:65:00.2"
#define VF1 "0000:65:00.3"
#define MAC0 "02:00:00:00:00:01"

#define HOST                                    \
    "pf " PF " mode=switchdev tc=on mtu=9216\n" \
    "vf " VF0 " up\n"                           \
    "vf " VF1 " up\n"                           \
    "vdpa " VF0 " mac=" MAC0 "\n"               \
    "vdpa " VF1 "\n"                            \
    "record dev " VF0 " a vdpa:" VF0 "\n"       \
    "record dev " VF1 " a vdpa:" VF1 "\n"       \
    "record policy a\n"
#define HOST1                                   \
    "pf " PF " mode=switchdev tc=on mtu=9216\n" \
    "vf " VF0 " up\n"                           \
    "vdpa " VF0 " mac=" MAC0 "\n"               \
    "record dev " VF0 " a vdpa:" VF0 "\n"       \
    "record policy a\n"
#define UUID "9d2c5e1c-7a1c-4f52-a2e7-0b6a1f3d8c11"
#define POLICY "policy a pf=" PF " vdpa-type=vhost\n"
#define ONE "policy a pf=" PF "#0 vdpa-type=vhost\n"
#define IDS0 "attached-mac=" MAC0 " vdpa-device=vdpa:" VF0 " "
#define PORT0 "port r65v0 br-int ours " VF0 " " IDS0
#define PORT1 "port r65v1 br-int ours " VF1 " vdpa-device=vdpa:" VF1 " "

#endif
