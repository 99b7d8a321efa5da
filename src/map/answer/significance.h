// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stddef.h>

/*
 * Tests of significance on counts. All are exact, hence conservative where data is thin, and two-
 * sided: the probability that chance alone gives a result as far out, from 0 to 1. Counts are real
 * numbers because callers divide them by an index of dispersion first; they are rounded here. Pure
 * and thread-safe.
 */

/* @a and @b events, of which each fell to b with probability @share_b: are their rates the same?
 * (The conditional binomial test of two Poisson counts.) */
double significance_rates(double a, double b, double share_b);

/* @a of @n_a against @b of @n_b: are the shares the same? (Fisher's exact test.) */
double significance_shares(double a, double n_a, double b, double n_b);

/* Replaces the probabilities by Benjamini and Hochberg's adjusted ones: the share of false alarms
 * among all those that are as small. */
void significance_adjust(double *probabilities, size_t n);
