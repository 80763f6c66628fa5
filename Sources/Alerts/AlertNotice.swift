// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Model
import PageScanner
public import SyncStore

/// What is told of an alert.
public struct AlertNotice: Sendable {
    private let event: AlertDelivery.Event
    private let alert: AlertSummary

    /// What a delivery tells.
    public init(_ delivery: AlertDelivery) {
        event = delivery.event
        alert = delivery.alert
    }

    /// Tells this notice from every other one of the installation, in each attempt.
    public var id: String { "alert_\(alert.id)_\(event.rawValue)" }

    /// The body of a request.
    public var body: [UInt8] {
        func text(_ value: String?) -> JSONTree { .scalar(value.map { .string($0) } ?? .null) }
        func number(_ value: Int64?) -> JSONTree { .scalar(value.map { .number("\($0)") } ?? .null) }
        func object(_ members: [(String, JSONTree)]) -> JSONTree {
            .object(members.map { JSONTree.Member(name: $0.0, value: $0.1) })
        }
        let time = event == .opened ? alert.openedAt : alert.resolvedAt ?? alert.openedAt
        return object([
            ("type", text("alert.\(event.rawValue)")), ("occurred_at", text(time.rfc3339)),
            (
                "data",
                object([
                    ("id", number(alert.id)), ("kind", text(alert.kind)), ("service", text(alert.service)),
                    ("integration_id", number(alert.integrationID)),
                    ("subject", text(alert.subject.isEmpty ? nil : alert.subject)),
                    ("opened_at", text(alert.openedAt.rfc3339)),
                    // What is told of an opening does not change when it is told late.
                    ("resolved_at", text(event == .opened ? nil : alert.resolvedAt?.rfc3339)),
                    ("title", text(alert.title)), ("detail", text(alert.detail)),
                ])
            ),
        ]).bytes
    }

    /// The text of a message for people. Names from outside become no mentions and no links.
    public var message: String {
        func plain(_ text: String) -> String {
            var escaped = ""
            for scalar in text.unicodeScalars {
                switch scalar {
                case "&": escaped += "&amp;"
                case "<": escaped += "&lt;"
                case ">": escaped += "&gt;"
                default: escaped.unicodeScalars.append(scalar)
                }
            }
            return escaped
        }
        let head = event == .opened ? "Alert" : "Resolved"
        let account = alert.integrationID.map { " (integration \($0))" } ?? ""
        let title = "\(head): \(plain(alert.title))\(account)"
        return event == .opened ? "\(title)\n\(plain(String(alert.detail.prefix(2_000))))" : title
    }
}
