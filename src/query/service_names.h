// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "store/store.h"

/*
 * Services and operations by the names that people see: spans whose resource names no service are
 * `unknown_service` (CONTRACT.md §1), which the store keeps as the empty name. Results as
 * store_services() and store_operations(), sorted by name.
 */
MUST_USE int service_names(Store *store, uint64_t from_ns, uint64_t to_ns, Arena *arena,
                           StoreNames *ret_names);

typedef struct OperationQuestion {
    Str service;
    uint64_t from_ns, to_ns;
} OperationQuestion;

/* Sorted by name, then kind. */
MUST_USE int operation_names(Store *store, const OperationQuestion *question, Arena *arena,
                             StoreNames *ret_names);

enum { SERVICE_NAMES_MAX = 10000 }; /* services, or operations of a service, in one answer */
