/* SPDX-License-Identifier: Apache-2.0 */
#include <vdpad/text.h>

#include <ctype.h>
#include <stdint.h>
#include <string.h>

/* Decodes the character at 's' to '*ret_code'; returns its length, or 0 if it
 * is not valid UTF-8 (RFC 3629: no surrogates, no overlong forms). */
static size_t
utf8_decode(const char *s, uint32_t *ret_code)
{
    static const uint32_t min[] = { 0, 0, 0x80, 0x800, 0x10000 };
    unsigned char c = (unsigned char) *s;
    size_t len;
    uint32_t code;

    if (c < 0x80) {
        *ret_code = c;
        return 1;
    } else if ((c & 0xe0) == 0xc0) {
        len = 2;
        code = c & 0x1f;
    } else if ((c & 0xf0) == 0xe0) {
        len = 3;
        code = c & 0x0f;
    } else if ((c & 0xf8) == 0xf0) {
        len = 4;
        code = c & 0x07;
    } else {
        return 0;
    }
    for (size_t i = 1; i < len; i++) {
        unsigned char d = (unsigned char) s[i];
        if ((d & 0xc0) != 0x80) {
            return 0;
        }
        code = code << 6 | (d & 0x3f);
    }
    if (code < min[len] || code > 0x10ffff
        || (code >= 0xd800 && code <= 0xdfff)) {
        return 0;
    }
    *ret_code = code;
    return len;
}

/* Characters that steer a terminal or turn the direction of writing, by which
 * a line could show something else than it says. */
static bool
is_disturbing(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0)
           || (code >= 0x200b && code <= 0x200f)
           || (code >= 0x2028 && code <= 0x202e)
           || (code >= 0x2060 && code <= 0x206f) || code == 0xfeff
           || code == 0x061c || (code >= 0xe0000 && code <= 0xe0fff);
}

void
vdpad_printable(const char *text, size_t max_chars, char *buf, size_t size)
{
    size_t used = 0;

    for (size_t n = 0; *text; n++) {
        uint32_t code;
        size_t len = utf8_decode(text, &code);
        bool replace = !len || is_disturbing(code);
        size_t out = replace ? 1 : len;

        if (n >= max_chars || used + out + 4 > size) {
            memcpy(buf + used, "...", 3);
            used += 3;
            break;
        }
        if (replace) {
            buf[used] = '?';
        } else {
            memcpy(buf + used, text, len);
        }
        used += out;
        text += len ? len : 1;
    }
    buf[used] = '\0';
}

bool
vdpad_is_utf8(const char *text, bool *has_control)
{
    *has_control = false;
    while (*text) {
        uint32_t code;
        size_t len = utf8_decode(text, &code);
        if (!len) {
            return false;
        }
        if (is_disturbing(code) && !(code < 0x80 && isspace((int) code))) {
            *has_control = true;
        }
        text += len;
    }
    return true;
}

bool
vdpad_is_plain(const char *text, size_t max)
{
    size_t total = 0;

    while (text[total]) {
        uint32_t code;
        size_t len = utf8_decode(text + total, &code);
        if (!len || code == ' ' || is_disturbing(code)) {
            return false;
        }
        total += len;
        if (total > max) {
            return false;
        }
    }
    return total > 0;
}
