// SPDX-License-Identifier: Apache-2.0
#include "map/answer/significance.h"

#include <math.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/memory.h"

/*
 * A tail is summed from the observed value outwards by the ratio of neighbouring terms, until terms
 * add nothing: the first term alone needs logarithms of factorials. Near the middle of a
 * distribution that is a few standard deviations of terms, so counts are scaled down above
 * COUNT_MAX, which can only hide a difference.
 */
enum { COUNT_MAX = 1000000 };

#define NEGLIGIBLE 1e-17

/* Chances of k among all outcomes: P(k + 1) / P(k), and the logarithm of P(k). */
typedef struct Distribution {
    double (*ratio)(const struct Distribution *distribution, double k);
    double (*log_chance)(const struct Distribution *distribution, double k);
    double low, high;     /* least and greatest k */
    double n, share;      /* binomial: trials and chance of each */
    double n_a, n_b, hit; /* hypergeometric: sizes of both groups, and hits in both */
} Distribution;

static double log_factorial(double n)
{
    int sign;

    return lgamma_r(n + 1, &sign);
}

static double log_choose(double n, double k)
{
    return log_factorial(n) - log_factorial(k) - log_factorial(n - k);
}

/* The chance of @k and all beyond, upwards (@step 1) or downwards (-1). */
static double tail(const Distribution *distribution, double k, double step)
{
    double term = exp(distribution->log_chance(distribution, k)), sum = term;

    while (term > sum * NEGLIGIBLE && term > 0) {
        double next = k + step;

        if (next < distribution->low || next > distribution->high) {
            break;
        }
        term *= step > 0 ? distribution->ratio(distribution, k)
                         : 1 / distribution->ratio(distribution, next);
        sum += term;
        k = next;
    }
    return sum;
}

static double two_sided(const Distribution *distribution, double k)
{
    double up = tail(distribution, k, 1), down = tail(distribution, k, -1);

    return fmin(1, 2 * fmin(up, down));
}

static double binomial_ratio(const Distribution *d, double k)
{
    return (d->n - k) / (k + 1) * d->share / (1 - d->share);
}

static double binomial_log_chance(const Distribution *d, double k)
{
    return log_choose(d->n, k) + k * log(d->share) + (d->n - k) * log1p(-d->share);
}

double significance_rates(double a, double b, double share_b)
{
    double scale = fmin(1, COUNT_MAX / fmax(a + b, 1));

    ASSERT(a >= 0 && b >= 0 && share_b > 0 && share_b < 1);
    a = round(a * scale);
    b = round(b * scale);
    return two_sided(&(Distribution){.ratio = binomial_ratio,
                                     .log_chance = binomial_log_chance,
                                     .high = a + b,
                                     .n = a + b,
                                     .share = share_b},
                     b);
}

static double hypergeometric_ratio(const Distribution *d, double k)
{
    return (d->n_b - k) / (k + 1) * (d->hit - k) / (d->n_a - d->hit + k + 1);
}

static double hypergeometric_log_chance(const Distribution *d, double k)
{
    return log_choose(d->n_b, k) + log_choose(d->n_a, d->hit - k) -
           log_choose(d->n_a + d->n_b, d->hit);
}

double significance_shares(double a, double n_a, double b, double n_b)
{
    double scale = fmin(1, COUNT_MAX / fmax(n_a + n_b, 1));

    ASSERT(a >= 0 && b >= 0 && a <= n_a && b <= n_b);
    a = round(a * scale);
    b = round(b * scale);
    n_a = fmax(a, round(n_a * scale));
    n_b = fmax(b, round(n_b * scale));
    return two_sided(&(Distribution){.ratio = hypergeometric_ratio,
                                     .log_chance = hypergeometric_log_chance,
                                     .low = fmax(0, a + b - n_a),
                                     .high = fmin(n_b, a + b),
                                     .n_a = n_a,
                                     .n_b = n_b,
                                     .hit = a + b},
                     b);
}

static int compare_pointers(const void *a, const void *b)
{
    double left = **(double *const *)a, right = **(double *const *)b;

    return left < right ? -1 : left > right;
}

void significance_adjust(double *probabilities, size_t n)
{
    CLEANUP(mem_freep) double **order = NEW_ARRAY(double *, n + 1);
    double least = 1;

    for (size_t i = 0; i < n; i++) {
        order[i] = &probabilities[i];
    }
    qsort(order, n, sizeof(order[0]), compare_pointers);
    for (size_t i = n; i > 0; i--) {
        least = fmin(least, *order[i - 1] * (double)n / (double)i);
        *order[i - 1] = least;
    }
}
