/* SPDX-License-Identifier: Apache-2.0 */
/* Where a listing of flows goes on, as text that people copy. */
#ifndef VDPAD_FLOW_CURSOR_H
#define VDPAD_FLOW_CURSOR_H 1

#include <vdpad/flow-query.h>

#define VDPAD_CURSOR_SIZE 96

struct vdpad_flow_cursor {
    bool is_kernel; /* Among those of the kernel datapath; else of TC. */
    struct vdpad_flow_pos pos;
};

void vdpad_flow_cursor_text(const struct vdpad_flow_cursor *cursor,
                            char text[VDPAD_CURSOR_SIZE]);

/* Returns false, and leaves '*cursor' undefined, when 'text' is none. */
bool vdpad_flow_cursor_parse(const char *text,
                             struct vdpad_flow_cursor *cursor);

#define VDPAD_UFID_SIZE 37

/* Open vSwitch takes the 16 bytes for four numbers of the machine's order. */
void vdpad_ufid_text(const uint8_t ufid[16], char text[VDPAD_UFID_SIZE]);
bool vdpad_ufid_parse(const char *text, uint8_t ufid[16]);

#endif
