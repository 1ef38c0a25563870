/* What bindgen reads. */
#include <linux/stddef.h>

/* The kernel's macro wraps a flexible array into a nameless structure, whose fields bindgen cannot name. */
#undef __DECLARE_FLEX_ARRAY
#define __DECLARE_FLEX_ARRAY(TYPE, NAME) TYPE NAME[]

#include <linux/kvm.h>
