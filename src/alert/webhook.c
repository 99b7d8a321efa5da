// SPDX-License-Identifier: Apache-2.0
#include "alert/webhook.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

/* --- Receivers --- */

static int parse_option(Str option, AlertReceiver *receiver)
{
    const struct {
        Str name;
        Str *value;
    } options[] = {{STR("bearer_file"), &receiver->bearer_file},
                   {STR("bearer_env"), &receiver->bearer_env},
                   {STR("user"), &receiver->user},
                   {STR("password_file"), &receiver->password_file},
                   {STR("password_env"), &receiver->password_env},
                   {STR("ca_file"), &receiver->ca_file}};
    Str name, value;

    if (!str_split(option, '=', &name, &value) || value.len == 0) {
        return 1;
    }
    if (str_equal(name, STR("verify"))) {
        receiver->skips_verify = str_equal(value, STR("false"));
        return receiver->skips_verify || str_equal(value, STR("true")) ? 0 : 1;
    }
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        if (str_equal(name, options[i].name)) {
            *options[i].value = value;
            return 0;
        }
    }
    return 1;
}

static int check_credentials(const AlertReceiver *receiver, ParseError *error)
{
    bool has_bearer = receiver->bearer_file.len + receiver->bearer_env.len > 0;
    bool has_password = receiver->password_file.len + receiver->password_env.len > 0;

    error->text = "a receiver has a bearer's token or a user with a password, each from a file or "
                  "from the environment, not from both";
    return (receiver->bearer_file.len > 0 && receiver->bearer_env.len > 0) ||
           (receiver->password_file.len > 0 && receiver->password_env.len > 0) ||
           (has_bearer && receiver->user.len > 0) || has_password != (receiver->user.len > 0);
}

/* Whether there is a `user:password@` before the host. */
static bool has_user(Str url)
{
    size_t from = str_find_byte(url, ':', 0) + 3;
    size_t end = str_find_byte(url, '/', from);

    return str_find_byte(str_slice(url, 0, end), '@', from) < end;
}

static int parse_line(Str line, AlertReceiver *ret_receiver, ParseError *error)
{
    AlertReceiver receiver = {0};
    Str rest, option;

    error->text = "a receiver is `NAME URL`, its URL http:// or https://";
    if (!str_split(line, ' ', &receiver.name, &rest)) {
        return 1;
    }
    rest = str_trim(rest);
    bool more = str_split(rest, ' ', &receiver.url, &rest);
    if (!str_starts_with(receiver.url, STR("http://")) &&
        !str_starts_with(receiver.url, STR("https://"))) {
        return 1;
    }
    error->text = "a receiver's name has at most 200 bytes, its URL 2048";
    if (receiver.name.len > ALERT_RECEIVER_NAME_MAX || receiver.url.len > ALERT_URL_MAX) {
        return 1;
    }
    error->text = "a receiver's password does not belong into its URL: user=… password_file=…";
    if (has_user(receiver.url)) {
        return 1;
    }
    error->text = "behind a receiver's URL: bearer_file=, bearer_env=, user=, password_file=, "
                  "password_env=, ca_file=, verify=false";
    while (more) {
        more = str_split(rest, ' ', &option, &rest);
        if (option.len > 0 && parse_option(option, &receiver) != 0) {
            return 1;
        }
    }
    TRY(check_credentials(&receiver, error));
    *ret_receiver = receiver;
    return 0;
}

int receivers_parse(Str lines, Arena *arena, AlertReceiver **ret_receivers, size_t *ret_n,
                    ParseError *ret_error)
{
    AlertReceiver *receivers = ARENA_ARRAY(arena, AlertReceiver, ALERT_RECEIVERS_MAX);
    ParseError error = {0};
    bool more = lines.len > 0;
    size_t n = 0;

    while (more) {
        Str line;

        more = str_split(lines, '\n', &line, &lines);
        error.offset++;
        line = str_trim(line);
        if (line.len == 0) {
            continue;
        }
        error.text = "there are at most 8 receivers";
        if (n == ALERT_RECEIVERS_MAX || parse_line(line, &receivers[n], &error) != 0) {
            *ret_error = error;
            return 1;
        }
        for (size_t i = 0; i < n; i++) {
            if (str_equal(receivers[i].name, receivers[n].name)) {
                *ret_error = (ParseError){error.offset, "two receivers have the same name"};
                return 1;
            }
        }
        n++;
    }
    *ret_receivers = receivers;
    *ret_n = n;
    return 0;
}

/* --- The payload --- */

/* Those that all alerts have with the same value. */
static void common_write(JsonWriter *json, const char *key, const AlertNotification *notification,
                         bool of_annotations)
{
    const Alert *first = notification->alerts[0];
    const AlertLabels *labels = of_annotations ? &first->annotations : &first->labels;

    json_key(json, str_from_cstr(key));
    json_open(json, '{');
    for (size_t i = 0; i < labels->n; i++) {
        const AlertLabel *label = &labels->items[i];
        bool is_common = true;

        for (size_t k = 1; k < notification->n && is_common; k++) {
            const Alert *other = notification->alerts[k];

            is_common = str_equal(
                labels_get(of_annotations ? &other->annotations : &other->labels, label->name),
                label->value);
        }
        if (is_common) {
            json_key(json, label->name);
            json_string(json, label->value);
        }
    }
    json_close(json, '}');
}

static void escape_append(Str text, Buf *buf)
{
    for (size_t i = 0; i < text.len; i++) {
        char byte = text.ptr[i], lower = ascii_lower(byte);

        if (ascii_is_digit(byte) || (lower >= 'a' && lower <= 'z') || byte == '-' || byte == '_') {
            buf_append_byte(buf, (uint8_t)byte);
        } else {
            buf_append_format(buf, "%%%02X", (uint8_t)byte);
        }
    }
}

/* Where the page shows what it is about: the flow, or the edge or node on the map. */
static void generator_write(JsonWriter *json, Str external_url, const Alert *alert)
{
    static const struct {
        Str label, path;
    } places[] = {{STR("flow"), STR("/#/flows/")},
                  {STR("edge"), STR("/#/map?edge=")},
                  {STR("node_id"), STR("/#/map?node=")}};
    CLEANUP(buf_deinit) Buf url = {0};
    size_t i = 0;

    while (i + 1 < ARRAY_LEN(places) && labels_get(&alert->labels, places[i].label).len == 0) {
        i++;
    }
    buf_append_str(&url, external_url);
    buf_append_str(&url, places[i].path);
    escape_append(labels_get(&alert->labels, places[i].label), &url);
    json_key_string(json, "generatorURL", buf_str(&url));
}

static Str status_text(bool fires)
{
    return fires ? STR("firing") : STR("resolved");
}

static void alert_write(JsonWriter *json, Str external_url, const Alert *alert)
{
    char fingerprint[17];

    snprintf(fingerprint, sizeof(fingerprint), "%016llx", (unsigned long long)alert->fingerprint);
    json_open(json, '{');
    json_key_string(json, "status", status_text(alert->state == ALERT_FIRING));
    json_key(json, STR("labels"));
    labels_write(json, &alert->labels);
    json_key(json, STR("annotations"));
    labels_write(json, &alert->annotations);
    json_key(json, STR("startsAt"));
    json_time(json, alert->firing_ns);
    /* Alertmanager writes Go's zero time for what has not ended. */
    json_key(json, STR("endsAt"));
    if (alert->state == ALERT_RESOLVED) {
        json_time(json, alert->resolved_ns);
    } else {
        json_string(json, STR("0001-01-01T00:00:00Z"));
    }
    generator_write(json, external_url, alert);
    json_key_string(json, "fingerprint", str_from_bytes(fingerprint, 16));
    json_close(json, '}');
}

/* `{}:{alertname="…"}`, as Alertmanager's: the route, then the group. */
static void group_key_write(JsonWriter *json, Str group)
{
    CLEANUP(buf_deinit) Buf quoted = {0}, key = {0};
    JsonWriter quote = {.buf = &quoted};

    json_string(&quote, group);
    buf_append_str(&key, STR("{}:{alertname="));
    buf_append_str(&key, buf_str(&quoted));
    buf_append_str(&key, STR("}"));
    json_key_string(json, "groupKey", buf_str(&key));
}

void notification_write(const AlertNotification *notification, Buf *buf)
{
    JsonWriter json = {.buf = buf};
    AlertLabel name = {STR("alertname"), notification->group};
    bool fires = false;

    ASSERT(notification->n > 0);
    for (size_t i = 0; i < notification->n; i++) {
        fires |= notification->alerts[i]->state == ALERT_FIRING;
    }
    json_open(&json, '{');
    json_key_string(&json, "version", STR("4"));
    group_key_write(&json, notification->group);
    json_key_u64(&json, "truncatedAlerts", notification->truncated);
    json_key_string(&json, "status", status_text(fires));
    json_key_string(&json, "receiver", notification->receiver);
    json_key(&json, STR("groupLabels"));
    labels_write(&json, &(AlertLabels){&name, 1});
    common_write(&json, "commonLabels", notification, false);
    common_write(&json, "commonAnnotations", notification, true);
    json_key_string(&json, "externalURL", notification->external_url);
    json_key(&json, STR("alerts"));
    json_open(&json, '[');
    for (size_t i = 0; i < notification->n; i++) {
        alert_write(&json, notification->external_url, notification->alerts[i]);
    }
    json_close(&json, ']');
    json_close(&json, '}');
}

/* --- Sending --- */

static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
    WebhookAnswer *answer = context;
    size_t used = str_from_cstr(answer->text).len;
    size_t room = sizeof(answer->text) - 1 - used;

    mem_copy(answer->text + used, bytes, MIN(room, size * count));
    answer->text[used + MIN(room, size * count)] = '\0';
    return room == 0 ? 0 : size * count; /* the status is known by then */
}

static int on_progress(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    (void)a, (void)b, (void)c, (void)d;
    return atomic_load((const _Atomic bool *)context);
}

static void prepare(CURL *curl, const char *url, Str body, struct curl_slist *headers)
{
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.ptr);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)WEBHOOK_TIMEOUT_S);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "weft/" WEFT_VERSION);
}

/* What is given by a file, or by the environment, without white space around it. Returns 0; 1 when
 * there is none. */
static int read_secret(Str file_name, Str variable, Buf *ret_secret)
{
    CLEANUP(buf_deinit) Buf name = {0};
    char bytes[WEBHOOK_SECRET_MAX];
    size_t n = 0;

    buf_append_str(&name, file_name.len > 0 ? file_name : variable);
    if (file_name.len == 0) {
        const char *value = getenv(buf_cstr(&name));

        buf_append_str(ret_secret, str_trim(str_from_cstr(value == NULL ? "" : value)));
        return ret_secret->len == 0;
    }
    FILE *file = fopen(buf_cstr(&name), "re");
    if (file == NULL) {
        return 1;
    }
    n = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    buf_append_str(ret_secret, str_trim(str_from_bytes(bytes, n)));
    explicit_bzero(bytes, sizeof(bytes));
    return ret_secret->len == 0 || n == sizeof(bytes);
}

static void forget_secret(Buf *secret)
{
    if (secret->ptr != NULL) {
        explicit_bzero(secret->ptr, secret->capacity);
    }
    buf_deinit(secret);
}

/* Returns 0; 1 when the secret cannot be read: a notification without it would be refused, or tell
 * somebody else. */
static int use_credentials(CURL *curl, const AlertReceiver *receiver)
{
    CLEANUP(forget_secret) Buf secret = {0};
    CLEANUP(buf_deinit) Buf text = {0};

    if (receiver->bearer_file.len + receiver->bearer_env.len > 0) {
        TRY(read_secret(receiver->bearer_file, receiver->bearer_env, &secret));
        curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
        curl_easy_setopt(curl, CURLOPT_XOAUTH2_BEARER, buf_cstr(&secret));
    } else if (receiver->user.len > 0) {
        TRY(read_secret(receiver->password_file, receiver->password_env, &secret));
        buf_append_str(&text, receiver->user);
        curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        curl_easy_setopt(curl, CURLOPT_USERNAME, buf_cstr(&text));
        curl_easy_setopt(curl, CURLOPT_PASSWORD, buf_cstr(&secret));
    }
    if (receiver->ca_file.len > 0) {
        buf_clear(&text);
        buf_append_str(&text, receiver->ca_file);
        curl_easy_setopt(curl, CURLOPT_CAINFO, buf_cstr(&text));
    }
    if (receiver->skips_verify) {
        curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    return 0;
}

int webhook_post(const AlertReceiver *receiver, Str body, const _Atomic bool *stop,
                 WebhookAnswer *ret_answer)
{
    CLEANUP(buf_deinit) Buf url = {0};
    WebhookAnswer answer = {0};
    curl_off_t microseconds = 0;
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");

    ASSERT(curl != NULL && headers != NULL);
    buf_append_str(&url, receiver->url);
    prepare(curl, buf_cstr(&url), body, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, stop);
    if (use_credentials(curl, receiver) != 0) {
        snprintf(answer.text, sizeof(answer.text), "its secret cannot be read, or is empty");
    } else {
        CURLcode code = curl_easy_perform(curl);

        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer.status);
        curl_easy_getinfo(curl, CURLINFO_TOTAL_TIME_T, &microseconds);
        if (answer.status == 0) {
            snprintf(answer.text, sizeof(answer.text), "%s", curl_easy_strerror(code));
        }
    }
    answer.duration_ns = (uint64_t)microseconds * 1000;
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    *ret_answer = answer;
    return answer.status >= 200 && answer.status < 300 ? 0 : 1;
}
