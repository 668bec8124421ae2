/* SPDX-License-Identifier: Apache-2.0 */
/* Text as it comes from outside: what is valid, what may be shown, what a
 * misspelt word was probably meant to be. */
#include "config-parse.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *
vdpad_xstrndup(const char *text, size_t n)
{
    char *s = strndup(text, n);
    if (!s) {
        abort();
    }
    return s;
}

bool
vdpad_is_policy_name(const char *text)
{
    size_t len = strlen(text);

    return len >= 1 && len <= VDPAD_CONFIG_NAME_MAX
           && isalnum((unsigned char) text[0])
           && strspn(text, "abcdefghijklmnopqrstuvwxyz"
                           "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
                  == len;
}

bool
vdpad_ifname_is_valid(const char *text)
{
    size_t len = strlen(text);

    if (len < 1 || len >= VDPAD_IFNAME_SIZE || !strcmp(text, ".")
        || !strcmp(text, "..")) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char) text[i];
        if (c <= ' ' || c >= 0x7f || c == '/' || c == ':') {
            return false;
        }
    }
    return true;
}

static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char) (c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void
vdpad_mac_text(const uint8_t mac[6], char text[18])
{
    snprintf(text, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
             mac[3], mac[4], mac[5]);
}

int
vdpad_mac_parse(const char *text, uint8_t mac[6])
{
    uint8_t out[6];

    for (size_t i = 0; i < 6; i++) {
        int high = hex_digit(text[0]);
        int low = high < 0 ? -1 : hex_digit(text[1]);
        if (low < 0 || text[2] != (i < 5 ? ':' : '\0')) {
            return -EINVAL;
        }
        out[i] = (uint8_t) (high << 4 | low);
        text += 3;
    }
    memcpy(mac, out, sizeof out);
    return 0;
}

bool
vdpad_scan_hex(const char **text, int max_digits, uint32_t *ret)
{
    uint32_t value = 0;
    int n = 0;

    for (int d; (d = hex_digit(**text)) >= 0; (*text)++) {
        if (n++ == max_digits) {
            return false;
        }
        value = value << 4 | (uint32_t) d;
    }
    *ret = value;
    return n > 0;
}

int
vdpad_bdf_parse(const char *text, char bdf[VDPAD_BDF_SIZE])
{
    uint32_t part[3] = { 0, 0, 0 }; /* Domain, bus, device. */
    const char *second = strchr(text, ':');
    size_t first = second && strchr(second + 1, ':') ? 0 : 1;

    for (size_t i = first; i < 3; i++) {
        if (!vdpad_scan_hex(&text, i ? 2 : 8, &part[i])
            || *text++ != (i < 2 ? ':' : '.')) {
            return -EINVAL;
        }
    }
    if (part[2] > 0x1f || text[0] < '0' || text[0] > '7' || text[1]) {
        return -EINVAL;
    }
    snprintf(bdf, VDPAD_BDF_SIZE, "%04x:%02x:%02x.%c", part[0], part[1] & 0xff,
             part[2] & 0xff, text[0]);
    return 0;
}

#define DISTANCE_MAX 32

size_t
vdpad_distance(const char *a, const char *b)
{
    size_t rows[3][DISTANCE_MAX + 1];
    size_t n = strnlen(a, DISTANCE_MAX), m = strnlen(b, DISTANCE_MAX);

    for (size_t j = 0; j <= m; j++) {
        rows[0][j] = j;
    }
    for (size_t i = 1; i <= n; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i - 1) % 3];
        const size_t *above2 = rows[(i + 1) % 3];

        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = above[j - 1] + (a[i - 1] != b[j - 1]);
            if (above[j] + 1 < best) {
                best = above[j] + 1;
            }
            if (row[j - 1] + 1 < best) {
                best = row[j - 1] + 1;
            }
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]
                && above2[j - 2] + 1 < best) {
                best = above2[j - 2] + 1;
            }
            row[j] = best;
        }
    }
    return rows[n % 3][m];
}

/* Copies 'text' without case, hyphens and underscores, in which the Kubernetes
 * spelling ("numVfs") differs from ours. */
static void
squeeze(const char *text, char *buf, size_t size)
{
    size_t n = 0;

    for (; *text && n + 1 < size; text++) {
        if (*text != '-' && *text != '_') {
            buf[n++] = (char) tolower((unsigned char) *text);
        }
    }
    buf[n] = '\0';
}

const char *
vdpad_nearest(const char *text, const void *names, size_t n, size_t stride)
{
    char a[DISTANCE_MAX + 2] = "", b[DISTANCE_MAX + 2] = "";
    size_t best = SIZE_MAX;
    const char *nearest = NULL;

    squeeze(text, a, sizeof a);
    for (size_t i = 0; i < n; i++) {
        const char *name;
        memcpy(&name, (const char *) names + i * stride, sizeof name);

        squeeze(name, b, sizeof b);
        size_t d = vdpad_distance(a, b);
        if (d < best) {
            best = d;
            /* More changes than a third of the word is a different word. */
            size_t len = strlen(b);
            nearest = d <= (len > 3 ? len / 3 : 1) && d < len ? name : NULL;
        }
    }
    return nearest;
}
