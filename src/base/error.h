// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * How functions report. 0: done. < 0: fatal to the operation, a negated errno, forwarded unchanged
 * by TRY(). > 0: a condition that the function's own header documents and that the caller must
 * handle. Outputs change only on success.
 */
#define MUST_USE __attribute__((warn_unused_result))

#define TRY(call)                                                                                  \
    do {                                                                                           \
        int try_result_ = (call);                                                                  \
        if (__builtin_expect(try_result_ != 0, 0)) {                                               \
            return try_result_;                                                                    \
        }                                                                                          \
    } while (0)

/* What a function owns midway: `CLEANUP(buf_deinit) Buf text = {0};` runs buf_deinit(&text) on
 * every way out of the scope. */
#define CLEANUP(function) __attribute__((cleanup(function)))

/* Hands an owned pointer over: yields it and leaves NULL behind for the cleanup. */
#define TAKE(pointer)                                                                              \
    ({                                                                                             \
        __typeof__(pointer) taken_ = (pointer);                                                    \
        (pointer) = NULL;                                                                          \
        taken_;                                                                                    \
    })

#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))

#define MIN(a, b)                                                                                  \
    ({                                                                                             \
        __typeof__(a) min_a_ = (a);                                                                \
        __typeof__(b) min_b_ = (b);                                                                \
        min_a_ < min_b_ ? min_a_ : min_b_;                                                         \
    })

#define MAX(a, b)                                                                                  \
    ({                                                                                             \
        __typeof__(a) max_a_ = (a);                                                                \
        __typeof__(b) max_b_ = (b);                                                                \
        max_a_ > max_b_ ? max_a_ : max_b_;                                                         \
    })

/* What a parser says of bad input: where (byte offset from the start of the input) and what. @text
 * is a static string. */
typedef struct ParseError {
    size_t offset;
    const char *text;
} ParseError;
