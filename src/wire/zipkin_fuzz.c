// SPDX-License-Identifier: Apache-2.0
#include "wire/fuzz_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_reader(zipkin_read_json, data, size);
    return 0;
}
