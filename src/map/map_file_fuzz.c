// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "map/map.h"

/* Any bytes: loaded or refused; what was loaded can be asked, merged and loaded again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Str file = str_from_bytes(data, size);
    CLEANUP(arena_deinit) Arena arena = {0};
    CLEANUP(buf_deinit) Buf merged = {0};
    Map *map = map_new(NULL);
    ParseError error;

    if (map_load(map, file, &error) == 0) {
        MapQuestion question = {.to_minute = UINT32_MAX, .with_layout = true};
        MapAnswer answer;
        Str twice[] = {file, file};

        ASSERT(map_ask(map, &question, &arena, &answer) == 0);
        if (map_merge_files(twice, 2, &merged) == 0) {
            ASSERT(map_load(map, buf_str(&merged), &error) == 0);
        }
    } else {
        ASSERT(error.offset <= size);
    }
    map_free(map);
    return 0;
}
