// SPDX-License-Identifier: Apache-2.0
#include "codec/compress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"

enum { N_ENCODINGS = ENCODING_SNAPPY + 1 };

static Buf sample(size_t len)
{
    Buf buf = {0};

    while (buf.len < len) {
        buf_append_format(&buf, "service.name=%zu;", buf.len * 2654435761U % 97);
    }
    buf.len = len;
    return buf;
}

static void test_every_encoding_goes_there_and_back(void **state)
{
    static const size_t sizes[] = {0, 1, 1000, 300000};

    for (int encoding = 0; encoding < N_ENCODINGS; encoding++) {
        for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
            CLEANUP(buf_deinit) Buf body = sample(sizes[i]);
            CLEANUP(buf_deinit) Buf packed = {0};
            CLEANUP(buf_deinit) Buf out = {0};

            compress((Encoding)encoding, buf_str(&body), 1, &packed);
            buf_append_str(&out, STR("head"));
            assert_int_equal(decompress((Encoding)encoding, buf_str(&packed), sizes[i], &out), 0);
            assert_int_equal(out.len, 4 + sizes[i]);
            assert_true(str_equal(str_slice(buf_str(&out), 4, out.len), buf_str(&body)));
        }
    }
}

static void test_the_limit_is_exact_and_bounds_memory(void **state)
{
    CLEANUP(buf_deinit) Buf body = {0};

    mem_fill(buf_grow(&body, 64 << 20), 0, 64 << 20);
    for (int encoding = 0; encoding < N_ENCODINGS; encoding++) {
        CLEANUP(buf_deinit) Buf packed = {0};
        CLEANUP(buf_deinit) Buf out = {0};

        compress((Encoding)encoding, buf_str(&body), 1, &packed);
        assert_int_equal(decompress((Encoding)encoding, buf_str(&packed), 100000, &out),
                         DECOMPRESS_TOO_LARGE);
        assert_int_equal(out.len, 0);
        assert_true(out.capacity <= 512 << 10);
        assert_int_equal(decompress((Encoding)encoding, buf_str(&packed), body.len - 1, &out),
                         DECOMPRESS_TOO_LARGE);
        assert_int_equal(decompress((Encoding)encoding, buf_str(&packed), body.len, &out), 0);
    }
}

static void test_cut_and_broken_bodies_are_refused(void **state)
{
    CLEANUP(buf_deinit) Buf body = sample(5000);

    for (int encoding = ENCODING_GZIP; encoding < N_ENCODINGS; encoding++) {
        CLEANUP(buf_deinit) Buf packed = {0};
        CLEANUP(buf_deinit) Buf out = {0};

        compress((Encoding)encoding, buf_str(&body), 6, &packed);
        for (size_t len = 0; len < packed.len; len++) {
            Str cut = str_slice(buf_str(&packed), 0, len);
            assert_int_equal(decompress((Encoding)encoding, cut, 1 << 20, &out), DECOMPRESS_BAD);
            assert_int_equal(out.len, 0);
        }
        assert_int_equal(decompress((Encoding)encoding, buf_str(&body), 1 << 20, &out) == 0, 0);
    }
}

static void test_joined_members_are_one_body(void **state)
{
    static const Encoding joinable[] = {ENCODING_GZIP, ENCODING_ZSTD};

    for (size_t i = 0; i < ARRAY_LEN(joinable); i++) {
        CLEANUP(buf_deinit) Buf packed = {0};
        CLEANUP(buf_deinit) Buf out = {0};

        compress(joinable[i], STR("one "), 1, &packed);
        compress(joinable[i], STR("two"), 1, &packed);
        assert_int_equal(decompress(joinable[i], buf_str(&packed), 100, &out), 0);
        assert_string_equal(buf_cstr(&out), "one two");
    }
}

static void test_raw_deflate_and_framed_snappy_are_read(void **state)
{
    CLEANUP(buf_deinit) Buf packed = {0};
    CLEANUP(buf_deinit) Buf out = {0};

    compress(ENCODING_DEFLATE, STR("plain text"), 6, &packed);
    /* Without zlib's two bytes in front and four behind. */
    assert_int_equal(
        decompress(ENCODING_DEFLATE, str_slice(buf_str(&packed), 2, packed.len - 4), 100, &out), 0);
    assert_string_equal(buf_cstr(&out), "plain text");
    buf_clear(&out);
    assert_int_equal(decompress(ENCODING_SNAPPY,
                                STR("\xFF\x06\x00\x00sNaPpY\x01\x07\x00\x00"
                                    "CCCCabc\xFE\x01\x00\x00x\x01\x06\x00\x00"
                                    "CCCCde"),
                                100, &out),
                     0);
    assert_string_equal(buf_cstr(&out), "abcde");
}

static void test_names_are_known_in_any_case(void **state)
{
    Encoding encoding;

    for (int i = 0; i < N_ENCODINGS; i++) {
        assert_int_equal(encoding_parse(encoding_name((Encoding)i), &encoding), 0);
        assert_int_equal(encoding, i);
    }
    assert_int_equal(encoding_parse(STR("X-GZip"), &encoding), 0);
    assert_int_equal(encoding, ENCODING_GZIP);
    assert_int_equal(encoding_parse(STR("br"), &encoding), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_encoding_goes_there_and_back),
        cmocka_unit_test(test_the_limit_is_exact_and_bounds_memory),
        cmocka_unit_test(test_cut_and_broken_bodies_are_refused),
        cmocka_unit_test(test_joined_members_are_one_body),
        cmocka_unit_test(test_raw_deflate_and_framed_snappy_are_read),
        cmocka_unit_test(test_names_are_known_in_any_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
