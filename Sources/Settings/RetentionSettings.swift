// SPDX-License-Identifier: Apache-2.0

import Model

/// How long rows are kept that only tell what was; nil for ever.
public struct RetentionSettings: Sendable, Equatable {
    /// `LOCKSTEP_API_LOG_RETENTION`; zero turns the request log off.
    public let apiLog: Duration?
    /// `LOCKSTEP_SYNC_LOG_RETENTION`.
    public let syncLog: Duration?
    /// `LOCKSTEP_DELETIONS_RETENTION`.
    public let deletions: Duration?
    /// `LOCKSTEP_SCHEDULE_FIRES_RETENTION`.
    public let scheduleFires: Duration?
    /// `LOCKSTEP_WEBHOOK_RETENTION`.
    public let webhookEvents: Duration?
    /// `LOCKSTEP_SUBSCRIPTION_EVENTS_RETENTION`: of dead letters.
    public let subscriptionEvents: Duration?

    /// Whether requests to providers are logged.
    public var logsRequests: Bool { apiLog != .zero }

    static func read(_ environment: inout Environment) -> RetentionSettings {
        RetentionSettings(
            apiLog: lifetime("LOCKSTEP_API_LOG_RETENTION", days: 7, atLeast: 1, mayBeOff: true, &environment),
            // Health is told from the last 24 hours.
            syncLog: lifetime("LOCKSTEP_SYNC_LOG_RETENTION", days: 90, atLeast: 2, &environment),
            deletions: lifetime("LOCKSTEP_DELETIONS_RETENTION", days: 90, atLeast: 1, &environment),
            // Missed slots of a week are caught up with.
            scheduleFires: lifetime("LOCKSTEP_SCHEDULE_FIRES_RETENTION", days: 90, atLeast: 8, &environment),
            // Providers repeat a delivery for days; the row is what tells that it was there before.
            webhookEvents: lifetime("LOCKSTEP_WEBHOOK_RETENTION", days: 30, atLeast: 7, &environment),
            subscriptionEvents: lifetime(
                "LOCKSTEP_SUBSCRIPTION_EVENTS_RETENTION", days: 90, atLeast: 1, &environment))
    }

    private static let never = "forever"
    private static let longestDays: Int64 = 3_650

    private static func lifetime(
        _ name: String, days: Int64, atLeast fewest: Int64, mayBeOff: Bool = false,
        _ environment: inout Environment
    ) -> Duration? {
        let range = day(fewest)...day(longestDays)
        let off = mayBeOff ? ", or 0 to write none" : ""
        return environment.value(
            name, default: .some(day(days)),
            allowed: "\(fewest)d to \(longestDays)d, '\(never)'\(off)",
            show: { $0.map(\.settingText) ?? never }
        ) { text -> Duration?? in
            if text.lowercased() == never { return .some(nil) }
            if mayBeOff, ["0", "0s", "0d"].contains(text) { return .some(.zero) }
            guard let duration = Duration(settingText: text), range.contains(duration) else { return nil }
            return .some(duration)
        }
    }

    private static func day(_ count: Int64) -> Duration { .seconds(count * 86_400) }
}
