/* SPDX-License-Identifier: Apache-2.0 */
#include "flow-cursor.h"

#include <stdio.h>
#include <string.h>

void
vdpad_ufid_text(const uint8_t ufid[16], char text[VDPAD_UFID_SIZE])
{
    uint32_t p[4];

    memcpy(p, ufid, sizeof p);
    (void) snprintf(text, VDPAD_UFID_SIZE, "%08x-%04x-%04x-%04x-%04x%08x",
                    p[0], p[1] >> 16, p[1] & 0xffff, p[2] >> 16, p[2] & 0xffff,
                    p[3]);
}

/* Value of a digit, lower case as we write them or upper; -1: none. */
static int
digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Takes 1 to 'max' digits off '*text'. */
static bool
take_hex(const char **text, int max, uint32_t *number)
{
    int n = 0;

    *number = 0;
    while (n < max && digit(**text) >= 0) {
        *number = *number << 4 | (uint32_t) digit(**text);
        (*text)++;
        n++;
    }
    return n > 0;
}

bool
vdpad_ufid_parse(const char *text, uint8_t ufid[16])
{
    static const size_t dashes[] = { 8, 13, 18, 23 };
    char digits[33];
    uint32_t p[4];
    size_t n = 0;

    if (strlen(text) != VDPAD_UFID_SIZE - 1) {
        return false;
    }
    for (size_t i = 0, dash = 0; text[i]; i++) {
        if (dash < 4 && i == dashes[dash]) {
            if (text[i] != '-') {
                return false;
            }
            dash++;
        } else if (digit(text[i]) < 0) {
            return false;
        } else {
            digits[n++] = text[i];
        }
    }
    digits[n] = '\0';
    const char *rest = digits;
    for (int i = 0; i < 4; i++) {
        (void) take_hex(&rest, 8, &p[i]);
    }
    memcpy(ufid, p, sizeof p);
    return true;
}

void
vdpad_flow_cursor_text(const struct vdpad_flow_cursor *cursor,
                       char text[VDPAD_CURSOR_SIZE])
{
    const struct vdpad_flow_pos *pos = &cursor->pos;

    if (cursor->is_kernel) {
        char ufid[VDPAD_UFID_SIZE];

        vdpad_ufid_text(pos->ufid, ufid);
        (void) snprintf(text, VDPAD_CURSOR_SIZE, "kernel-%x-%s",
                        (uint32_t) pos->ifindex, ufid);
    } else {
        (void) snprintf(text, VDPAD_CURSOR_SIZE, "tc-%x-%x-%x-%x-%x-%x-%x",
                        (uint32_t) pos->ifindex, pos->block, pos->parent,
                        pos->chain, pos->prio, pos->protocol, pos->handle);
    }
}

bool
vdpad_flow_cursor_parse(const char *text, struct vdpad_flow_cursor *cursor)
{
    struct vdpad_flow_pos *pos = &cursor->pos;
    uint32_t n[7];

    memset(cursor, 0, sizeof *cursor);
    if (!strncmp(text, "kernel-", 7)) {
        cursor->is_kernel = true;
        text += 7;
        if (!take_hex(&text, 8, &n[0]) || *text++ != '-'
            || !vdpad_ufid_parse(text, pos->ufid)) {
            return false;
        }
        pos->ifindex = (int32_t) n[0];
        return true;
    }
    if (strncmp(text, "tc-", 3)) {
        return false;
    }
    text += 3;
    for (size_t i = 0; i < 7; i++) {
        if ((i && *text++ != '-') || !take_hex(&text, 8, &n[i])) {
            return false;
        }
    }
    pos->ifindex = (int32_t) n[0];
    pos->block = n[1];
    pos->parent = n[2];
    pos->chain = n[3];
    pos->prio = (uint16_t) n[4];
    pos->protocol = (uint16_t) n[5];
    pos->handle = n[6];
    return !*text && n[4] <= UINT16_MAX && n[5] <= UINT16_MAX;
}
