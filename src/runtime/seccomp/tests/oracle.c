// SPDX-License-Identifier: Apache-2.0 OR MIT
// Reads rules, one a line, and writes the program that libseccomp makes of them.
//
//   arch NAME                                      a further interface; the first one is native
//   default ACTION                                 the first line
//   rule NAME ACTION [INDEX OP VALUE VALUETWO]...  numbers in hexadecimal
//
// What the library does not know goes to standard error: "unknown NAME" for a rule that is skipped,
// "lacks NAME ARCH" for a call that it knows on other interfaces only.
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void die(const char *what, int result)
{
	fprintf(stderr, "error %s: %s\n", what, strerror(-result));
	exit(1);
}

static void add_arch(scmp_filter_ctx filter, const char *name, int first)
{
	uint32_t token = seccomp_arch_resolve_name(name);
	int result;

	if (first && token != seccomp_arch_native()) {
		result = seccomp_arch_add(filter, token);
		if (result == 0)
			result = seccomp_arch_remove(filter, SCMP_ARCH_NATIVE);
	} else {
		result = first ? 0 : seccomp_arch_add(filter, token);
	}
	if (result < 0)
		die(name, result);
}

static uint32_t archs[8];
static const char *arch_names[8];
static int arch_count;

static void report_lacks(const char *name)
{
	for (int i = 0; i < arch_count; i++)
		if (seccomp_syscall_resolve_name_arch(archs[i], name) < 0)
			fprintf(stderr, "lacks %s %s\n", name, arch_names[i]);
}

static void add_rule(scmp_filter_ctx filter, uint32_t fallback, char *words)
{
	char *name = strtok(words, " ");
	uint32_t action = strtoul(strtok(NULL, " "), NULL, 16);
	struct scmp_arg_cmp tests[6];
	unsigned int count = 0;
	int number = seccomp_syscall_resolve_name(name);
	int result;

	for (char *index; count < 6 && (index = strtok(NULL, " ")); count++) {
		tests[count].arg = strtoul(index, NULL, 16);
		tests[count].op = strtoul(strtok(NULL, " "), NULL, 16);
		tests[count].datum_a = strtoull(strtok(NULL, " "), NULL, 16);
		tests[count].datum_b = strtoull(strtok(NULL, " "), NULL, 16);
	}
	if (number == __NR_SCMP_ERROR) {
		fprintf(stderr, "unknown %s\n", name);
		return;
	}
	report_lacks(name);
	if (action == fallback)
		return;
	result = seccomp_rule_add_array(filter, action, number, count, tests);
	if (result < 0)
		die(name, result);
}

int main(void)
{
	char line[4096];
	scmp_filter_ctx filter = NULL;
	uint32_t fallback = 0;
	int result;

	while (fgets(line, sizeof line, stdin)) {
		line[strcspn(line, "\n")] = 0;
		if (strncmp(line, "default ", 8) == 0) {
			fallback = strtoul(line + 8, NULL, 16);
			filter = seccomp_init(fallback);
		} else if (strncmp(line, "arch ", 5) == 0) {
			add_arch(filter, line + 5, arch_count == 0);
			arch_names[arch_count] = strdup(line + 5);
			archs[arch_count++] = seccomp_arch_resolve_name(line + 5);
		} else if (strncmp(line, "rule ", 5) == 0) {
			add_rule(filter, fallback, line + 5);
		}
	}
	result = seccomp_export_bpf(filter, STDOUT_FILENO);
	if (result < 0)
		die("export", result);
	return 0;
}
