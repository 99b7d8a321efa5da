// SPDX-License-Identifier: Apache-2.0
#include "query/times.h"

/*
 * All arithmetic is on integers: a double holds a present-day time only to 256 ns, and a search for
 * one span's start must find exactly that span.
 */
#define NS_PER_S UINT64_C(1000000000)

enum { FRACTION_DIGITS_MAX = 18 };

static int time_fail(ParseError *ret_error, size_t offset, const char *text)
{
    *ret_error = (ParseError){.offset = offset, .text = text};
    return TIME_BAD;
}

static bool add_scaled(uint64_t *sum, uint64_t value, uint64_t scale)
{
    uint64_t product;

    return !__builtin_mul_overflow(value, scale, &product) &&
           !__builtin_add_overflow(*sum, product, sum);
}

/* Digits from @at on; returns how many, 0 also when they do not fit. */
static size_t take_digits(Str text, size_t at, uint64_t *ret_value)
{
    uint64_t value = 0;
    size_t start = at;

    while (at < text.len && ascii_is_digit(text.ptr[at])) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(text.ptr[at] - '0'), &value)) {
            return 0;
        }
        at++;
    }
    *ret_value = value;
    return at - start;
}

/* ".digits" from @at on, as parts of @unit; digits beyond what counts are skipped. */
static size_t take_fraction(Str text, size_t at, uint64_t unit, uint64_t *ret_parts)
{
    unsigned __int128 numerator = 0, denominator = 1;
    size_t start = at;

    *ret_parts = 0;
    if (at >= text.len || text.ptr[at] != '.') {
        return 0;
    }
    at++;
    for (size_t n = 0; at < text.len && ascii_is_digit(text.ptr[at]); at++, n++) {
        if (n < FRACTION_DIGITS_MAX) {
            numerator = numerator * 10 + (unsigned)(text.ptr[at] - '0');
            denominator *= 10;
        }
    }
    *ret_parts = (uint64_t)(numerator * unit / denominator);
    return at - start;
}

typedef struct Unit {
    Str name;
    uint64_t ns;
} Unit;

/* Longer names before their prefixes. */
static const Unit units[] = {
    {{"ns", 2}, 1},
    {{"us", 2}, 1000},
    {{"\xc2\xb5s", 3}, 1000}, /* U+00B5, micro sign */
    {{"\xce\xbcs", 3}, 1000}, /* U+03BC, Greek mu */
    {{"ms", 2}, 1000000},
    {{"s", 1}, NS_PER_S},
    {{"m", 1}, 60 * NS_PER_S},
    {{"h", 1}, 3600 * NS_PER_S},
    {{"d", 1}, 86400 * NS_PER_S},
    {{"w", 1}, 7 * 86400 * NS_PER_S},
};

static const Unit *unit_at(Str text, size_t at)
{
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (str_starts_with(str_slice(text, at, text.len), units[i].name)) {
            return &units[i];
        }
    }
    return NULL;
}

/* One number with its unit; returns its length, 0 when there is none (or it does not fit). */
static size_t take_part(Str text, size_t at, uint64_t *sum)
{
    uint64_t whole = 0, parts = 0, total = *sum;
    size_t digits = take_digits(text, at, &whole);
    size_t unit_offset, point;
    const Unit *unit;

    if (digits == 0) {
        return 0;
    }
    point = at + digits;
    unit_offset = point + take_fraction(text, point, 1, &parts);
    unit = unit_at(text, unit_offset);
    if (unit == NULL) {
        return 0;
    }
    take_fraction(text, point, unit->ns, &parts);
    if (!add_scaled(&total, whole, unit->ns) || !add_scaled(&total, parts, 1)) {
        return 0;
    }
    *sum = total;
    return unit_offset + unit->name.len - at;
}

int duration_take(Str text, uint64_t *ret_ns, size_t *ret_len)
{
    uint64_t sum = 0;
    size_t at = 0, part;

    while ((part = take_part(text, at, &sum)) > 0) {
        at += part;
    }
    if (at == 0) {
        return TIME_BAD;
    }
    *ret_ns = sum;
    *ret_len = at;
    return 0;
}

/* A number without unit that fills all of @text. */
static bool plain_number(Str text, uint64_t unit, uint64_t *ret_ns)
{
    uint64_t whole = 0, parts = 0, sum = 0;
    size_t at = take_digits(text, 0, &whole);

    if (at == 0) {
        return false;
    }
    at += take_fraction(text, at, unit, &parts);
    if (at != text.len || !add_scaled(&sum, whole, unit) || !add_scaled(&sum, parts, 1)) {
        return false;
    }
    *ret_ns = sum;
    return true;
}

int duration_parse(Str text, bool plain_seconds, uint64_t *ret_ns, ParseError *ret_error)
{
    uint64_t value = 0;
    size_t len = 0;

    if (plain_seconds && plain_number(text, NS_PER_S, ret_ns)) {
        return 0;
    }
    if (duration_take(text, &value, &len) != 0) {
        return time_fail(ret_error, 0, "not a duration such as 1.5s, 100ms or 1h30m");
    }
    if (len != text.len) {
        return time_fail(ret_error, len, "a number with a unit (ns us ms s m h d w) expected");
    }
    *ret_ns = value;
    return 0;
}

/* Days from 1970-01-01 in the proleptic Gregorian calendar (years from 1970 on only). */
static uint64_t days_before(uint64_t year, uint64_t month, uint64_t day)
{
    /* Years begin in March, so that the day that leaps is their last. */
    uint64_t shifted_year = month > 2 ? year : year - 1;
    uint64_t shifted_month = month > 2 ? month - 3 : month + 9;
    uint64_t era_days =
        shifted_year * 365 + shifted_year / 4 - shifted_year / 100 + shifted_year / 400;

    return era_days + (153 * shifted_month + 2) / 5 + day - 1 - 719468;
}

static uint64_t days_of_month(uint64_t year, uint64_t month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (uint64_t)(month == 2 && leap);
}

/* Exactly @n digits at *@at, between @low and @high. */
static bool take_field(Str text, size_t *at, size_t n, uint64_t low, uint64_t high, uint64_t *ret)
{
    uint64_t value = 0;

    if (text.len - *at < n || take_digits(str_slice(text, *at, *at + n), 0, &value) != n) {
        return false;
    }
    if (value < low || value > high) {
        return false;
    }
    *at += n;
    *ret = value;
    return true;
}

static bool take_char(Str text, size_t *at, const char *any_of)
{
    if (*at < text.len &&
        str_find_byte(str_from_cstr(any_of), text.ptr[*at], 0) < str_from_cstr(any_of).len) {
        ++*at;
        return true;
    }
    return false;
}

/* Z, +hh:mm, -hh:mm or nothing; seconds to take off. */
static bool take_zone(Str text, size_t *at, int64_t *ret_offset_s)
{
    uint64_t hours = 0, minutes = 0;
    bool west;

    *ret_offset_s = 0;
    if (*at == text.len || take_char(text, at, "Zz")) {
        return true;
    }
    west = text.ptr[*at] == '-';
    if (!take_char(text, at, "+- ") || !take_field(text, at, 2, 0, 23, &hours)) {
        return false;
    }
    take_char(text, at, ":");
    if (!take_field(text, at, 2, 0, 59, &minutes)) {
        return false;
    }
    *ret_offset_s = (int64_t)(hours * 3600 + minutes * 60) * (west ? -1 : 1);
    return true;
}

/* hh:mm[:ss[.fraction]] */
static bool take_clock(Str text, size_t *at, uint64_t *ret_seconds, uint64_t *ret_ns)
{
    uint64_t hours = 0, minutes = 0, seconds = 0;

    if (!take_field(text, at, 2, 0, 23, &hours) || !take_char(text, at, ":") ||
        !take_field(text, at, 2, 0, 59, &minutes)) {
        return false;
    }
    if (take_char(text, at, ":")) {
        if (!take_field(text, at, 2, 0, 60, &seconds)) { /* 60: a leap second */
            return false;
        }
        *at += take_fraction(text, *at, NS_PER_S, ret_ns);
    }
    *ret_seconds = hours * 3600 + minutes * 60 + seconds;
    return true;
}

/* A moment before 1970 or beyond 2554 is the first or the last that there is. */
static uint64_t moment(int64_t at_s, uint64_t fraction_ns)
{
    uint64_t total = 0;

    if (at_s < 0) {
        return 0;
    }
    return add_scaled(&total, (uint64_t)at_s, NS_PER_S) && add_scaled(&total, fraction_ns, 1)
               ? total
               : UINT64_MAX;
}

/* RFC 3339, section 5.6, with the liberties that the header names. */
static int time_parse_calendar(Str text, uint64_t *ret_ns, ParseError *ret_error)
{
    uint64_t year = 0, month = 0, day = 0, seconds = 0, fraction_ns = 0;
    int64_t offset_s = 0;
    size_t at = 0;

    if (!take_field(text, &at, 4, 0, 9999, &year) || !take_char(text, &at, "-")) {
        return time_fail(ret_error, at, "a year expected");
    }
    if (!take_field(text, &at, 2, 1, 12, &month) || !take_char(text, &at, "-")) {
        return time_fail(ret_error, at, "a month from 01 to 12 expected");
    }
    if (!take_field(text, &at, 2, 1, days_of_month(year, month), &day)) {
        return time_fail(ret_error, at, "a day of that month expected");
    }
    if (take_char(text, &at, "Tt ") && !take_clock(text, &at, &seconds, &fraction_ns)) {
        return time_fail(ret_error, at, "a time of day such as 08:02:03.5 expected");
    }
    if (!take_zone(text, &at, &offset_s) || at != text.len) {
        return time_fail(ret_error, at, "Z or an offset such as +01:00 expected");
    }
    *ret_ns = year < 1970
                  ? 0
                  : moment((int64_t)(days_before(year, month, day) * 86400 + seconds) - offset_s,
                           fraction_ns);
    return 0;
}

static int time_parse_unix(Str text, uint64_t *ret_ns, ParseError *ret_error)
{
    static const struct {
        uint64_t below, ns;
    } scales[] = {
        {UINT64_C(100000000000), NS_PER_S},
        {UINT64_C(100000000000000), 1000000},
        {UINT64_C(100000000000000000), 1000},
        {UINT64_MAX, 1},
    };
    uint64_t whole = 0;

    if (take_digits(text, 0, &whole) == 0) {
        return time_fail(ret_error, 0, "the number is too large for a time");
    }
    for (size_t i = 0; i < ARRAY_LEN(scales); i++) {
        if (whole < scales[i].below || i + 1 == ARRAY_LEN(scales)) {
            if (plain_number(text, scales[i].ns, ret_ns)) {
                return 0;
            }
            break;
        }
    }
    return time_fail(ret_error, 0, "not a Unix time in seconds, ms, µs or ns");
}

/* What follows `now`: nothing, or a sign and a duration. */
static int time_parse_relative(Str text, size_t at, uint64_t now_ns, uint64_t *ret_ns,
                               ParseError *ret_error)
{
    uint64_t duration_ns = 0, result;
    bool back;

    if (at == text.len) {
        *ret_ns = now_ns;
        return 0;
    }
    back = text.ptr[at] == '-';
    if (!take_char(text, &at, "+- ")) { /* a space is a plus sign that a query string lost */
        return time_fail(ret_error, at, "+ or - and a duration expected after now");
    }
    if (duration_parse(str_slice(text, at, text.len), false, &duration_ns, ret_error) != 0) {
        ret_error->offset += at;
        return TIME_BAD;
    }
    if (back) {
        result = now_ns - MIN(now_ns, duration_ns);
    } else if (__builtin_add_overflow(now_ns, duration_ns, &result)) {
        result = UINT64_MAX;
    }
    *ret_ns = result;
    return 0;
}

int time_parse(Str text, uint64_t now_ns, uint64_t *ret_ns, ParseError *ret_error)
{
    if (str_starts_with(text, STR("now"))) {
        return time_parse_relative(text, 3, now_ns, ret_ns, ret_error);
    }
    if (text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+')) {
        return time_parse_relative(text, 0, now_ns, ret_ns, ret_error);
    }
    if (text.len == 0 || !ascii_is_digit(text.ptr[0])) {
        return time_fail(ret_error, 0, "a time is RFC 3339, a Unix time, now, or such as -15m");
    }
    if (text.len > 4 && text.ptr[4] == '-') {
        return time_parse_calendar(text, ret_ns, ret_error);
    }
    return time_parse_unix(text, ret_ns, ret_error);
}
