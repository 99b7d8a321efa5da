// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>

#include "base/assert.h"
#include "codec/hash.h"
#include "os/fs_sim.h"
#include "store/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int read_text(FileSystem *fs, Str text, Manifest *manifest)
{
    ParseError error = {0};
    int result = fs_replace_file(fs, "MANIFEST", text);

    ASSERT(result == 0);
    result = manifest_read(fs, manifest, &error);
    ASSERT(result == 0 || (result > 0 && error.text != NULL && error.offset <= text.len));
    return result;
}

/* The input as it is, and with a right checksum behind it. What is read is written and read back as
 * the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(buf_deinit) Buf text = {0};
    FsSim *sim = fs_sim_new(1);
    FileSystem *fs = fs_sim_fs(sim);
    Manifest manifest = {0}, again = {0};
    ParseError error;

    if (read_text(fs, str_from_bytes(data, size), &manifest) == 0) {
        manifest_deinit(&manifest);
    }
    buf_append(&text, data, size);
    buf_append_format(&text, "checksum %016" PRIx64 "\n", hash_stable(str_from_bytes(data, size)));
    if (read_text(fs, buf_str(&text), &manifest) == 0) {
        ASSERT(manifest_write(fs, &manifest) == 0);
        ASSERT(manifest_read(fs, &again, &error) == 0);
        ASSERT(again.edition == manifest.edition && again.log_from == manifest.log_from &&
               again.blocks.count == manifest.blocks.count &&
               again.tables.count == manifest.tables.count &&
               again.deletions.count == manifest.deletions.count);
        manifest_deinit(&again);
        manifest_deinit(&manifest);
    }
    fs_sim_free(sim);
    return 0;
}
