/* Results that mathematics knows, found in ways that a compiler makes very different code of. */
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int wrong;

static void check(const char *what, int right) {
    if (!right) {
        printf("wrong: %s\n", what);
        wrong = 1;
    }
}

/* There are 9592 primes below 100000. */
static int primes(void) {
    static uint8_t composite[100000];
    int count = 0;
    memset(composite, 0, sizeof composite);
    for (int i = 2; i < 100000; i++) {
        if (composite[i])
            continue;
        count++;
        for (int j = 2 * i; j < 100000; j += i)
            composite[j] = 1;
    }
    return count;
}

/* The digits of pi, by Rabinowitz and Wagon's spigot. */
static void pi_digits(char *out, int digits) {
    int length = digits * 10 / 3 + 1, nines = 0, held = -1, at = 0;
    int *a = malloc(sizeof *a * length);
    for (int i = 0; i < length; i++)
        a[i] = 2;
    for (int d = 0; d <= digits + 1 && at < digits; d++) {
        int carry = 0;
        for (int i = length - 1; i >= 0; i--) {
            int x = 10 * a[i] + carry * (i + 1);
            a[i] = x % (2 * i + 1);
            carry = x / (2 * i + 1);
        }
        a[0] = carry % 10;
        carry /= 10;
        if (carry == 9) {
            nines++;
            continue;
        }
        if (held >= 0)
            out[at++] = '0' + held + carry / 10;
        for (; nines && at < digits; nines--)
            out[at++] = carry == 10 ? '0' : '9';
        nines = 0;
        held = carry % 10;
    }
    out[at] = 0;
    free(a);
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Fibonacci's numbers as powers of a matrix, of 128-bit numbers. */
static unsigned __int128 fibonacci(int n) {
    unsigned __int128 a = 0, b = 1;
    for (int bit = 31; bit >= 0; bit--) {
        unsigned __int128 c = a * (2 * b - a), d = a * a + b * b;
        a = c;
        b = d;
        if (n >> bit & 1) {
            a = d;
            b = c + d;
        }
    }
    return a;
}

static _Atomic long counter;

static void *count(void *turns) {
    for (long i = 0; i < (long)turns; i++)
        counter++;
    return 0;
}

int main(void) {
    check("primes", primes() == 9592);

    char pi[61];
    pi_digits(pi, 50);
    check("pi", strncmp(pi, "31415926535897932384626433832795028841971693993751", 49) == 0);

    double values[5000];
    uint64_t state = 88172645463325252;
    for (int i = 0; i < 5000; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        values[i] = (double)(int64_t)state;
    }
    qsort(values, 5000, sizeof *values, compare);
    int sorted = 1;
    for (int i = 1; i < 5000; i++)
        sorted &= values[i - 1] <= values[i];
    check("sort", sorted);

    /* F(186) is the largest below 2^128; F(90) is well known. */
    unsigned __int128 f = fibonacci(186);
    check("fibonacci", f == fibonacci(185) + fibonacci(184) && (uint64_t)fibonacci(90) == 2880067194370816120);

    /* Sums of integers in vectors, in every width. */
    int8_t narrow[1024];
    int16_t middle[1024];
    float wide[1024];
    for (int i = 0; i < 1024; i++) {
        narrow[i] = i;
        middle[i] = 3 * i - 1500;
        wide[i] = i * 0.5f;
    }
    int sums[2] = {0, 0};
    float sum = 0;
    for (int i = 0; i < 1024; i++) {
        sums[0] += narrow[i] * 3;
        sums[1] += middle[i] > 0 ? middle[i] : -middle[i];
        sum += wide[i] * 2;
    }
    long absolute = 0;
    for (int i = 0; i < 1024; i++)
        absolute += labs(3L * i - 1500);
    check("bytes", sums[0] == -512 * 3);
    check("halfwords", sums[1] == absolute);
    check("floats", sum == 1023.0f * 512);

    /* Identities that hold to the last places. */
    for (int i = 1; i < 400; i++) {
        double x = i / 37.0;
        check("sin", fabs(sin(x) * sin(x) + cos(x) * cos(x) - 1) < 1e-15);
        check("exp", fabs(log(exp(x)) - x) < 4e-15 * (1 + x));
        check("sqrt", fabs(sqrt(x) * sqrt(x) - x) <= 4e-16 * x);
        check("fma", fma(x, x, -x * x) < 1e-13);
        check("cbrt", fabs(cbrt(x * x * x) - x) < 1e-14 * x);
        check("atan", fabs(tan(atan(x)) - x) < 1e-14 * (1 + x * x));
        check("pow", fabs(pow(x, 3) / (x * x * x) - 1) < 1e-15);
        check("gamma", fabs(tgamma(x + 1) / tgamma(x) / x - 1) < 2e-14);
        check("floor", floor(x) <= x && ceil(x) >= x && lrint(floor(x)) == (long)x);
    }
    char text[64];
    snprintf(text, sizeof text, "%.17g %a %Lg", 0.1, 0.1, 1.0L / 4);
    check("print", strcmp(text, "0.10000000000000001 0x1.999999999999ap-4 0.25") == 0);
    check("read", strtod("2.2250738585072014e-308", 0) == 0x1p-1022);

    /* Threads that add to one number. */
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], 0, count, (void *)5000L);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], 0);
    check("threads", counter == 20000);

    if (!wrong)
        puts("all is right");
    return wrong;
}
