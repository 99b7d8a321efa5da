// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "wire/otlp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Both encodings of both signals; a record takes at least two bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    Str body = str_from_bytes(data, size);

    for (int i = 0; i < 4; i++) {
        OtlpSignal signal = i % 2 == 0 ? OTLP_METRICS : OTLP_LOGS;
        ParseError error = {0};
        uint64_t count = 0;
        int r = i < 2 ? otlp_count_protobuf(signal, body, &count, &error)
                      : otlp_count_json(signal, body, &arena, &count, &error);
        ASSERT(r == 0 ? count <= size / 2 : error.text != NULL && error.offset <= size);
    }
    return 0;
}
