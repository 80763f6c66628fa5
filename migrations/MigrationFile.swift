// SPDX-License-Identifier: Apache-2.0

/// One migration: a file of this folder, embedded when the program is built.
public struct MigrationFile: Sendable {
    /// The file's name without `.sql`.
    public let name: String
    /// The file's text: statements that run in one transaction.
    public let sql: String

    /// All migrations, in the order in which they are applied.
    public static let all: [MigrationFile] = [
        MigrationFile("0001_ledger", PackageResources._001_ledger_sql),
        MigrationFile("0002_log", PackageResources._002_log_sql),
        MigrationFile("0003_dispatch", PackageResources._003_dispatch_sql),
        MigrationFile("0004_health", PackageResources._004_health_sql),
        MigrationFile("0005_runs", PackageResources._005_runs_sql),
        MigrationFile("0006_checkpoints", PackageResources._006_checkpoints_sql),
        MigrationFile("0007_sweeps", PackageResources._007_sweeps_sql),
        MigrationFile("0008_schedules", PackageResources._008_schedules_sql),
        MigrationFile("0009_job_ids", PackageResources._009_job_ids_sql),
        MigrationFile("0010_credentials", PackageResources._010_credentials_sql),
        MigrationFile("0012_views", PackageResources._012_views_sql),
        MigrationFile("0013_actions", PackageResources._013_actions_sql),
        MigrationFile("0014_webhooks", PackageResources._014_webhooks_sql),
        MigrationFile("0015_changes", PackageResources._015_changes_sql),
        MigrationFile("0016_retention", PackageResources._016_retention_sql),
        MigrationFile("0017_alerts", PackageResources._017_alerts_sql),
        MigrationFile("0018_subscriptions", PackageResources._018_subscriptions_sql),
        MigrationFile("0019_requests_of_runs", PackageResources._019_requests_of_runs_sql),
        MigrationFile("0020_gateway", PackageResources._020_gateway_sql),
        MigrationFile("0021_window_sweeps", PackageResources._021_window_sweeps_sql),
        MigrationFile("0022_runs", PackageResources._022_runs_sql),
        MigrationFile("0023_webhook_deletions", PackageResources._023_webhook_deletions_sql),
        MigrationFile("0024_sweep_decisions", PackageResources._024_sweep_decisions_sql),
        MigrationFile("0025_feed_erasure_webhooks", PackageResources._025_feed_erasure_webhooks_sql),
        MigrationFile("0026_actions_by_status", PackageResources._026_actions_by_status_sql),
        MigrationFile("0027_sweep_guards", PackageResources._027_sweep_guards_sql),
        MigrationFile("0029_passing_refusals", PackageResources._029_passing_refusals_sql),
        MigrationFile(
            "0030_members_waits_responses", PackageResources._030_members_waits_responses_sql),
        MigrationFile("0031_wanted_values", PackageResources._031_wanted_values_sql),
        MigrationFile("0032_change_index", PackageResources._032_change_index_sql),
    ]

    private init(_ name: String, _ bytes: [UInt8]) {
        self.name = name
        sql = String(decoding: bytes, as: UTF8.self)
    }
}
