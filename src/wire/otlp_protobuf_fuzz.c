// SPDX-License-Identifier: Apache-2.0
#include "wire/fuzz_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_reader(otlp_read_protobuf, data, size);
    return 0;
}
