"""The native rules under the names that Bazel 4's own tools load from rules_java."""

java_import = native.java_import
java_runtime = native.java_runtime
java_toolchain = native.java_toolchain
