// SPDX-License-Identifier: Apache-2.0
#include "alert/alert.h"
#include "base/assert.h"
#include "codec/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int read_rules(Str text, Arena *arena, AlertRule **ret_rules, size_t *ret_n)
{
    JsonReader reader;

    json_reader_init(&reader, text, arena);
    return alert_rules_read(&reader, ret_rules, ret_n);
}

/* What is a rule can be written and read again as the same, if it is UTF-8: else bytes are replaced
 * when it is written, which may change the order of labels. */
static void write_back(const AlertRule *rules, size_t n, Arena *arena)
{
    CLEANUP(buf_deinit) Buf first = {0}, second = {0};
    JsonWriter json = {.buf = &first}, again = {.buf = &second};
    AlertRule *back = NULL;
    size_t n_back = 0;

    json_open(&json, '[');
    for (size_t i = 0; i < n; i++) {
        alert_rule_write(&json, &rules[i]);
    }
    json_close(&json, ']');
    if (read_rules(buf_str(&first), arena, &back, &n_back) != 0) {
        return; /* texts that are no UTF-8 grow when they are written, perhaps beyond a limit */
    }
    ASSERT(n_back == n);
    json_open(&again, '[');
    for (size_t i = 0; i < n; i++) {
        alert_rule_write(&again, &back[i]);
    }
    json_close(&again, ']');
    ASSERT(str_equal(buf_str(&first), buf_str(&second)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    Str text = str_from_bytes(data, size);
    const Str names[ALERT_RECEIVERS_MAX] = {STR("a")};
    AlertRuleError error;
    AlertSilence silence;
    AlertRules *compiled = NULL;
    AlertRule *rules = NULL;
    Alerts alerts = {0};
    size_t n = 0;

    if (read_rules(text, &arena, &rules, &n) == 0) {
        if (utf8_is_valid(text)) {
            write_back(rules, n, &arena);
        }
        if (alert_rules_new(rules, n, &compiled, &error) == 0) {
            alert_rules_free(compiled);
        }
    }
    (void)!alert_restore(&alerts, 1, text, names);
    (void)!alert_silence_restore(text, &arena, &silence);
    alerts_deinit(&alerts);
    return 0;
}
