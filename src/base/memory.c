// SPDX-License-Identifier: Apache-2.0
#include "base/memory.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

static void *require(void *memory, size_t size)
{
    if (memory == NULL && size != 0) {
        assert_failed("out of memory", __FILE__, __LINE__);
    }
    return memory;
}

void *mem_alloc(size_t size)
{
    return require(malloc(size == 0 ? 1 : size), size);
}

void *mem_zero(size_t size)
{
    return require(calloc(1, size == 0 ? 1 : size), size);
}

void *mem_resize(void *memory, size_t size)
{
    return require(realloc(memory, size == 0 ? 1 : size), size);
}

void *mem_try_alloc(size_t size)
{
    return malloc(size == 0 ? 1 : size);
}

void mem_free(void *memory)
{
    free(memory);
}

void mem_trim(void)
{
    malloc_trim(0);
}

void mem_freep(void *pointer_to_pointer)
{
    void *memory;

    memcpy(&memory, pointer_to_pointer, sizeof(memory));
    free(memory);
}

static size_t array_size(size_t count, size_t size)
{
    size_t product;

    ASSERT(!__builtin_mul_overflow(count, size, &product));
    return product;
}

void *mem_zero_array(size_t count, size_t size)
{
    return mem_zero(array_size(count, size));
}

void *mem_resize_array(void *memory, size_t count, size_t size)
{
    return mem_resize(memory, array_size(count, size));
}
