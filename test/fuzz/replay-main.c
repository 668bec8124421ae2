/* SPDX-License-Identifier: Apache-2.0 */

/* Stands in for libFuzzer where it is not there: runs the fuzz target once on
 * nothing and once on each file named on the command line; of a directory, on
 * each of its regular files.  A directory that does not exist is an empty
 * one. */

#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

static unsigned int n_inputs;

static int
replay_file(const char *name, size_t size)
{
    FILE *stream = fopen(name, "rb");
    uint8_t *data;

    if (!stream) {
        fprintf(stderr, "%s: %s\n", name, strerror(errno));
        return -errno;
    }
    /* Exactly as large as the input, so that overruns are seen. */
    data = malloc(size ? size : 1);
    if (!data || fread(data, 1, size, stream) != size) {
        fprintf(stderr, "%s: cannot read %zu bytes\n", name, size);
        free(data);
        fclose(stream);
        return -EIO;
    }
    fclose(stream);
    LLVMFuzzerTestOneInput(data, size);
    n_inputs++;
    free(data);
    return 0;
}

static int replay(const char *name);

static int
replay_directory(const char *name)
{
    DIR *dir = opendir(name);
    struct dirent *entry;
    int error = 0;

    if (!dir) {
        return -errno;
    }
    while (!error && (entry = readdir(dir)) != NULL) {
        char path[4096];

        if (entry->d_name[0] == '.') {
            continue;
        }
        if (snprintf(path, sizeof path, "%s/%s", name, entry->d_name)
            >= (int) sizeof path) {
            error = -ENAMETOOLONG;
        } else {
            error = replay(path);
        }
    }
    closedir(dir);
    return error;
}

static int
replay(const char *name)
{
    struct stat st;

    if (stat(name, &st)) {
        return errno == ENOENT ? 0 : -errno;
    }
    return S_ISDIR(st.st_mode) ? replay_directory(name)
                               : replay_file(name, (size_t) st.st_size);
}

int
main(int argc, char *argv[])
{
    static const uint8_t nothing[1];

    LLVMFuzzerTestOneInput(nothing, 0);
    for (int i = 1; i < argc; i++) {
        int error = replay(argv[i]);

        if (error) {
            fprintf(stderr, "%s: %s\n", argv[i], strerror(-error));
            return EXIT_FAILURE;
        }
    }
    printf("%u inputs\n", n_inputs);
    return EXIT_SUCCESS;
}
