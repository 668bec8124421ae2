/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes --import.  Whatever the file is, the answer is either one command and
 * notes, or mistakes and no command; it is printable, and the same each
 * time. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/import.h"
#include "fuzz.h"

/* Lines without control characters. */
static void
check_lines(const char *text)
{
    for (const char *p = text; *p; p++) {
        CHECK((unsigned char) *p >= 0x20 || *p == '\n');
    }
    CHECK(!*text || text[strlen(text) - 1] == '\n');
}

/* The shell sees ovs-vsctl's words and nothing else: outside of single quotes
 * there is no character that means something to it, but for the ends of lines
 * and quoted quotes. */
static void
check_command(const char *command)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_-.:= ";
    bool quoted = false;

    for (const char *p = command; *p; p++) {
        if (*p == '\'') {
            quoted = !quoted;
        } else if (!quoted && *p == '\\') {
            p++;
            CHECK(*p == '\n' || *p == '\'');
        } else if (!quoted && *p == '\n') {
            CHECK(!p[1]);
        } else {
            CHECK(quoted || strchr(plain, *p));
        }
    }
    CHECK(!quoted);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* A copy of exactly this size: reading past its end is seen. */
    char *text = malloc(size ? size : 1);
    char *command, *messages, *command2, *messages2;

    CHECK(text);
    if (size) {
        memcpy(text, data, size);
    }
    bool ok = vdpad_import("fuzz", text, size, &command, &messages);
    CHECK(vdpad_import("fuzz", text, size, &command2, &messages2) == ok);
    CHECK(ok == (command != NULL));
    check_lines(messages);
    CHECK(!strcmp(messages, messages2));
    if (ok) {
        check_lines(command);
        check_command(command);
        CHECK(!strcmp(command, command2));
    } else {
        CHECK(messages[0]);
    }
    free(command);
    free(messages);
    free(command2);
    free(messages2);
    free(text);
    return 0;
}
