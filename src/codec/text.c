// SPDX-License-Identifier: Apache-2.0
#include "codec/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

enum {
    DIGITS_MAX = 17,      /* enough for any double */
    DIGITS_USUAL = 15,    /* every decimal of up to 15 digits survives the way there and back */
    EXPONENT_PLAIN = 21,  /* from 1e21 on with an exponent */
    EXPONENT_SMALL = -7,  /* from 1e-7 down too */
    NUMBER_TEXT_SIZE = 40 /* "-d.ddddddddddddddddde+308" and some */
};

typedef struct Decimal {
    char digits[DIGITS_MAX];
    int n_digits;
    int exponent; /* of the first digit */
} Decimal;

/* Reads "d.ddde±xx" as printf wrote it. */
static Decimal decimal_from_text(const char *text)
{
    Decimal decimal = {0};

    for (; *text != 'e'; text++) {
        if (ascii_is_digit(*text)) {
            ASSERT(decimal.n_digits < DIGITS_MAX);
            decimal.digits[decimal.n_digits++] = *text;
        }
    }
    decimal.exponent = (int)strtol(text + 1, NULL, 10);
    while (decimal.n_digits > 1 && decimal.digits[decimal.n_digits - 1] == '0') {
        decimal.n_digits--;
    }
    return decimal;
}

/* Subnormal numbers have fewer than 15 good digits, so their search starts at one. */
static Decimal decimal_shortest(double value)
{
    char text[NUMBER_TEXT_SIZE];

    for (int n = fpclassify(value) == FP_SUBNORMAL ? 1 : DIGITS_USUAL;; n++) {
        snprintf(text, sizeof(text), "%.*e", n - 1, value);
        if (n == DIGITS_MAX || strtod(text, NULL) == value) {
            return decimal_from_text(text);
        }
    }
}

static void append_zeros(Buf *buf, int count)
{
    for (int i = 0; i < count; i++) {
        buf_append_byte(buf, '0');
    }
}

static void append_exponential(Buf *buf, const Decimal *decimal)
{
    buf_append_byte(buf, (uint8_t)decimal->digits[0]);
    if (decimal->n_digits > 1) {
        buf_append_byte(buf, '.');
        buf_append(buf, decimal->digits + 1, (size_t)decimal->n_digits - 1);
    }
    buf_append_format(buf, "e%+d", decimal->exponent);
}

static void append_plain(Buf *buf, const Decimal *decimal)
{
    int before = decimal->exponent + 1; /* digits before the point */

    if (before <= 0) {
        buf_append_str(buf, STR("0."));
        append_zeros(buf, -before);
        buf_append(buf, decimal->digits, (size_t)decimal->n_digits);
    } else if (before >= decimal->n_digits) {
        buf_append(buf, decimal->digits, (size_t)decimal->n_digits);
        append_zeros(buf, before - decimal->n_digits);
    } else {
        buf_append(buf, decimal->digits, (size_t)before);
        buf_append_byte(buf, '.');
        buf_append(buf, decimal->digits + before, (size_t)(decimal->n_digits - before));
    }
}

void text_append_double(Buf *buf, double value)
{
    if (isnan(value)) {
        buf_append_str(buf, STR("NaN"));
        return;
    }
    if (signbit(value)) {
        buf_append_byte(buf, '-');
        value = -value;
    }
    if (isinf(value)) {
        buf_append_str(buf, STR("Infinity"));
        return;
    }
    if (value < 1e15 && value == (double)(uint64_t)value) {
        buf_append_u64(buf, (uint64_t)value);
        return;
    }
    Decimal decimal = decimal_shortest(value);
    if (decimal.exponent >= EXPONENT_PLAIN || decimal.exponent <= EXPONENT_SMALL) {
        append_exponential(buf, &decimal);
    } else {
        append_plain(buf, &decimal);
    }
}

void text_append_base64(Buf *buf, Str bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t *out = buf_grow(buf, (bytes.len + 2) / 3 * 4);

    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        uint32_t group = (uint32_t)(uint8_t)bytes.ptr[i] << 16;
        group |= left > 1 ? (uint32_t)(uint8_t)bytes.ptr[i + 1] << 8 : 0;
        group |= left > 2 ? (uint8_t)bytes.ptr[i + 2] : 0;
        *out++ = (uint8_t)digits[group >> 18];
        *out++ = (uint8_t)digits[group >> 12 & 63];
        *out++ = left > 1 ? (uint8_t)digits[group >> 6 & 63] : '=';
        *out++ = left > 2 ? (uint8_t)digits[group & 63] : '=';
    }
}

static int base64_digit(char byte)
{
    if (byte >= 'A' && byte <= 'Z') {
        return byte - 'A';
    }
    if (byte >= 'a' && byte <= 'z') {
        return byte - 'a' + 26;
    }
    if (ascii_is_digit(byte)) {
        return byte - '0' + 52;
    }
    if (byte == '+' || byte == '-') {
        return 62;
    }
    return byte == '/' || byte == '_' ? 63 : -1;
}

int text_parse_base64(Str text, Arena *arena, Str *ret_bytes)
{
    for (int i = 0; i < 2 && text.len > 0 && text.ptr[text.len - 1] == '='; i++) {
        text.len--;
    }
    if (text.len % 4 == 1) {
        return 1;
    }
    uint8_t *bytes = arena_alloc(arena, text.len / 4 * 3 + 3);
    size_t len = 0;
    uint32_t bits = 0;
    int n_bits = 0;
    for (size_t i = 0; i < text.len; i++) {
        int digit = base64_digit(text.ptr[i]);

        if (digit < 0) {
            return 1;
        }
        bits = bits << 6 | (uint32_t)digit;
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            bytes[len++] = (uint8_t)(bits >> n_bits);
        }
    }
    *ret_bytes = str_from_bytes(bytes, len);
    return 0;
}

static bool is_continuation(uint8_t byte)
{
    return (byte & 0xC0) == 0x80;
}

size_t text_utf8_length(Str text, size_t at)
{
    const uint8_t *bytes = (const uint8_t *)text.ptr + at;
    size_t left = text.len - at;

    if (left >= 1 && bytes[0] < 0x80) {
        return 1;
    }
    if (left < 2 || !is_continuation(bytes[1])) {
        return 0;
    }
    if (bytes[0] >= 0xC2 && bytes[0] <= 0xDF) {
        return 2;
    }
    if (left < 3 || !is_continuation(bytes[2])) {
        return 0;
    }
    if ((bytes[0] & 0xF0) == 0xE0) {
        bool overlong = bytes[0] == 0xE0 && bytes[1] < 0xA0;
        bool surrogate = bytes[0] == 0xED && bytes[1] > 0x9F;

        return overlong || surrogate ? 0 : 3;
    }
    if (left < 4 || !is_continuation(bytes[3]) || bytes[0] < 0xF0 || bytes[0] > 0xF4) {
        return 0;
    }
    bool overlong = bytes[0] == 0xF0 && bytes[1] < 0x90;
    bool beyond = bytes[0] == 0xF4 && bytes[1] > 0x8F;
    return overlong || beyond ? 0 : 4;
}
