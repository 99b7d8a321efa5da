// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "query/times.h"

#define S UINT64_C(1000000000)
#define NOW (UINT64_C(1763712123) * S)

typedef struct Golden {
    const char *text;
    uint64_t ns; /* BAD: refused */
    size_t offset;
} Golden;

#define BAD (UINT64_MAX - 1)
#define LAST UINT64_MAX

static const Golden times[] = {
    {"1970-01-01T00:00:00Z", 0},
    {"1969-12-31T23:59:59Z", 0},
    {"0000-01-01T00:00:00Z", 0},
    {"0001-01-01", 0},
    {"1970-01-01T00:30:00+01:00", 0},
    {"-3000w", 0},
    {"2554-12-31", LAST},
    {"9999-12-31T23:59:59Z", LAST},
    {"2025-11-21T08:02:03Z", NOW},
    {"2025-11-21T08:02:03.000000004Z", NOW + 4},
    {"2025-11-21T08:02:03.5Z", NOW + S / 2},
    {"2025-11-21T08:02:03.1234567891Z", NOW + 123456789},
    {"2025-11-21t08:02:03z", NOW},
    {"2025-11-21 08:02:03", NOW},
    {"2025-11-21T09:02:03+01:00", NOW},
    {"2025-11-21T09:02:03 01:00", NOW},
    {"2025-11-21T02:32:03-05:30", NOW},
    {"2025-11-21T02:32:03-0530", NOW},
    {"2025-11-21T08:02Z", NOW - 3 * S},
    {"2025-11-21", NOW - (8 * 3600 + 123) * S},
    {"2024-02-29T00:00:00Z", UINT64_C(1709164800) * S},
    {"2000-03-01T00:00:00Z", UINT64_C(951868800) * S},
    {"2400-02-29T00:00:00Z", UINT64_C(13574563200) * S},
    {"2016-12-31T23:59:60Z", UINT64_C(1483228800) * S},
    {"1763712123", NOW},
    {"1763712123.25", NOW + S / 4},
    {"1763712123004", NOW + 4000000},
    {"1763712123004.5", NOW + 4500000},
    {"1763712123004005", NOW + 4005000},
    {"1763712123004005006", NOW + 4005006},
    {"0", 0},
    {"now", NOW},
    {"now-15m", NOW - 900 * S},
    {"now+1h", NOW + 3600 * S},
    {"now 1h", NOW + 3600 * S},
    {"-15m", NOW - 900 * S},
    {"-1h30m", NOW - 5400 * S},
    {"-1.5h", NOW - 5400 * S},
    {"-1d", NOW - 86400 * S},
    {"-2w", NOW - 14 * 86400 * S},
    {"", BAD, 0},
    {"yesterday", BAD, 0},
    {"nowish", BAD, 3},
    {"now-", BAD, 4},
    {"now-5", BAD, 4},
    {"-5x", BAD, 1},
    {"-5m7", BAD, 3},
    {"-100000w", BAD, 1},
    {"1969-13-31T23:59:59Z", BAD, 5},
    {"9999-02-29", BAD, 8},
    {"2025-13-01", BAD, 5},
    {"2025-02-29", BAD, 8},
    {"2025-11-21T24:00:00Z", BAD, 11},
    {"2025-11-21T08:60:00Z", BAD, 14},
    {"2025-11-21T08:02:03+1", BAD, 20},
    {"2025-11-21T08:02:03Zx", BAD, 20},
    {"12345678901234567890123", BAD, 0},
    {"12x", BAD, 0},
    {"1e9", BAD, 0},
};

static void times_read_as_the_golden_table_says(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        uint64_t found = 77;
        ParseError error = {.offset = 99};
        int result = time_parse(str_from_cstr(times[i].text), NOW, &found, &error);

        if (result != (times[i].ns == BAD) || found != (times[i].ns == BAD ? 77 : times[i].ns) ||
            (result != 0 && error.offset != times[i].offset)) {
            fail_msg("%s: result %d, %llu, offset %zu", times[i].text, result,
                     (unsigned long long)found, error.offset);
        }
    }
}

static const Golden durations[] = {
    {"1.5s", 1500000000},
    {"100ms", 100000000},
    {"1m30s", 90 * S},
    {"1h15m30.918273645s", UINT64_C(4530918273645)},
    {"2us", 2000},
    {"2\xc2\xb5s", 2000},
    {"2\xce\xbcs", 2000},
    {"7ns", 7},
    {"0s", 0},
    {"60", 60 * S},
    {"0.5", S / 2},
    {"", BAD, 0},
    {"s", BAD, 0},
    {"1", 1 * S},
    {"1 s", BAD, 0},
    {"1s2", BAD, 2},
    {"-1s", BAD, 0},
    {"99999999999w", BAD, 0},
};

static void durations_read_as_the_golden_table_says(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(durations); i++) {
        uint64_t found = 77;
        ParseError error = {.offset = 99};
        int result = duration_parse(str_from_cstr(durations[i].text), true, &found, &error);

        if (result != (durations[i].ns == BAD) ||
            found != (durations[i].ns == BAD ? 77 : durations[i].ns) ||
            (result != 0 && error.offset != durations[i].offset)) {
            fail_msg("%s: result %d, %llu, offset %zu", durations[i].text, result,
                     (unsigned long long)found, error.offset);
        }
    }
}

static void a_plain_number_is_a_duration_only_where_it_is_allowed(void **state)
{
    uint64_t found = 0;
    ParseError error;

    assert_int_equal(duration_parse(STR("5"), false, &found, &error), TIME_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_read_as_the_golden_table_says),
        cmocka_unit_test(durations_read_as_the_golden_table_says),
        cmocka_unit_test(a_plain_number_is_a_duration_only_where_it_is_allowed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
