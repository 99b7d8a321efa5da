// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Assertions that stay on in production. They state what only a mistake of ours can break; hostile
 * data never reaches one, it returns an error.
 */

/* Logs @expression with its place and aborts. Never returns. */
void assert_failed(const char *expression, const char *file, int line)
    __attribute__((noreturn, cold));

#define ASSERT(expression)                                                                         \
    do {                                                                                           \
        if (__builtin_expect(!(expression), 0)) {                                                  \
            assert_failed(#expression, __FILE__, __LINE__);                                        \
        }                                                                                          \
    } while (0)

#define STATIC_ASSERT(expression, text) _Static_assert(expression, text)
