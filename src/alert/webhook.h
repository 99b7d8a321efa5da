// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdatomic.h>

#include "alert/alert.h"

/*
 * Notifications in Alertmanager's webhook form, version 4
 * (https://prometheus.io/docs/alerting/latest/configuration/#webhook_config).
 */
typedef struct AlertReceiver {
    Str name, url; /* http or https, without credentials */
    /* What it is told who asks: a bearer's token, or a user with a password; at most one of each
     * pair is given. Files are read for each notification, so that they may change. Secrets are
     * never in answers, logs or the printed configuration, which has only where they are. */
    Str bearer_file, bearer_env;
    Str user, password_file, password_env;
    Str ca_file;       /* certificates that vouch for it; empty: the system's */
    bool skips_verify; /* any certificate will do */
} AlertReceiver;

enum {
    ALERT_URL_MAX = 2048,
    ALERT_RECEIVER_NAME_MAX = 200,
    WEBHOOK_TIMEOUT_S = 10,
    WEBHOOK_ANSWER_MAX = 1024, /* bytes of an answer that are looked at */
    WEBHOOK_SECRET_MAX = 16 << 10,
};

/* Lines of `NAME URL [OPTION=VALUE …]`, as the configuration has them; empty ones are skipped.
 * Options: bearer_file, bearer_env, user, password_file, password_env, ca_file, verify=false. In
 * @arena. Returns 0; 1 with the line's number (from 1) and what is wrong in @ret_error. */
MUST_USE int receivers_parse(Str lines, Arena *arena, AlertReceiver **ret_receivers, size_t *ret_n,
                             ParseError *ret_error);

/* What one notification says: alerts of one rule. */
typedef struct AlertNotification {
    Str receiver, external_url; /* without a slash at the end */
    Str group;                  /* the rule's name */
    const Alert *const *alerts; /* firing or resolved; at least one */
    size_t n;
    size_t truncated; /* alerts of the group that are not among them */
} AlertNotification;

void notification_write(const AlertNotification *notification, Buf *buf);

/* What came back. */
typedef struct WebhookAnswer {
    long status; /* of HTTP; 0: none came */
    uint64_t duration_ns;
    char text[WEBHOOK_ANSWER_MAX]; /* the answer's begin, or why there is none */
} WebhookAnswer;

/* Posts @body and waits for the answer, at most WEBHOOK_TIMEOUT_S; ends early once *@stop is set.
 * Redirects are not followed. Returns 0 when the receiver took it (2xx), else 1. */
MUST_USE int webhook_post(const AlertReceiver *receiver, Str body, const _Atomic bool *stop,
                          WebhookAnswer *ret_answer);
