/* SPDX-License-Identifier: Apache-2.0 */
/* --import: one file in, one command out; neither database nor kernel. */
#include "glue-import.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "import-yaml.h"
#include "import.h"
#include "util.h"

#define PROGRAM "ovs-vdpad"

/* Reads at most 'size' bytes; a larger file fills 'buffer'.  Returns their
 * number or a negative errno. */
static ssize_t
read_file(const char *file, char *buffer, size_t size)
{
    int fd = strcmp(file, "-") ? open(file, O_RDONLY | O_CLOEXEC)
                               : dup(STDIN_FILENO);
    size_t used = 0;
    ssize_t n = 0;

    if (fd < 0) {
        return -errno;
    }
    while (used < size) {
        n = read(fd, buffer + used, size - used);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            break;
        }
        used += (size_t) n;
    }
    int error = n < 0 ? -errno : 0;
    close(fd);
    return error ? error : (ssize_t) used;
}

int
vdpad_import_main(const char *file)
{
    /* One more than is read, so that a file that is too large is seen. */
    size_t size = VDPAD_YAML_SIZE_MAX + 1;
    char *buffer = vdpad_xcalloc(1, size), *command, *messages;
    const char *shown = strcmp(file, "-") ? file : "standard input";
    char name[1024];
    ssize_t len = read_file(file, buffer, size);

    vdpad_text(name, sizeof name, "%s", shown);
    if (len < 0) {
        fprintf(stderr, PROGRAM ": --import: %s: %s\n", name,
                strerror((int) -len));
        free(buffer);
        return EXIT_FAILURE;
    }
    bool ok = vdpad_import(shown, buffer, (size_t) len, &command, &messages);
    free(buffer);
    fputs(messages, stderr);
    if (ok) {
        fputs(command, stdout);
    } else {
        fprintf(stderr, PROGRAM ": --import: nothing is imported from %s\n",
                name);
    }
    free(command);
    free(messages);
    if (ok && (fflush(stdout) || ferror(stdout))) {
        fprintf(stderr, PROGRAM ": --import: cannot write: %s\n",
                strerror(errno));
        ok = false;
    }
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
