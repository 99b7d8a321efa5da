// SPDX-License-Identifier: Apache-2.0

/*
 * Stands in for libFuzzer's main in a normal build: feeds every file of the corpus directories
 * named on the command line to the fuzz target once, so that old findings stay fixed.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");

    if (file == NULL) {
        perror(path);
        return 1;
    }
    fseek(file, 0, SEEK_END);
    size_t size = (size_t)ftell(file);
    rewind(file);
    uint8_t *data =
        malloc(size == 0 ? 1 : size); /* exactly sized, so that an over-read is caught */
    if (data == NULL || fread(data, 1, size, file) != size) {
        perror(path);
        fclose(file);
        free(data);
        return 1;
    }
    fclose(file);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    return 0;
}

static int replay_directory(const char *directory, size_t *n_files)
{
    DIR *entries = opendir(directory);
    struct dirent *entry;
    int failed = 0;

    if (entries == NULL) {
        perror(directory);
        return 1;
    }
    while ((entry = readdir(entries)) != NULL) {
        char path[4096];

        if (entry->d_name[0] == '.') {
            continue;
        }
        snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
        failed |= replay_file(path);
        ++*n_files;
    }
    closedir(entries);
    return failed;
}

int main(int argc, char **argv)
{
    size_t n_files = 0;
    int failed = 0;

    for (int i = 1; i < argc; i++) {
        failed |= replay_directory(argv[i], &n_files);
    }
    printf("%zu inputs replayed\n", n_files);
    return failed || n_files == 0;
}
