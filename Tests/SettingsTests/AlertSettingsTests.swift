// SPDX-License-Identifier: Apache-2.0

import Model
import Settings
import Testing

private let secret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="

private func load(
    _ variables: [String: String],
    file: Result<SecretString, SecretFile.Refusal> = .success(SecretString(secret + "\n"))
) throws(SettingsError) -> ClusterSettings {
    try ClusterSettings.load(
        ["DATABASE_URL": "postgres://a/b"].merging(variables) { $1 }, readFile: { _ in file })
}

private func problems(_ variables: [String: String]) throws -> [String] {
    try #require(throws: SettingsError.self) { try load(variables) }.problems.map(\.description)
}

@Suite struct `The settings of alerts` {
    @Test func `have objectives by themselves, and tell nobody`() throws {
        let alerts = try load([:]).alerts
        #expect(alerts.webhookURL == nil && alerts.webhookSecret == nil && alerts.slack == nil)
        #expect(alerts.backlog == [.high: .seconds(60), .default: .seconds(600), .low: .seconds(21_600)])
        #expect(alerts.errors == 10 && alerts.deadLetters == 10 && alerts.cooldown == .seconds(600))
    }

    @Test func `are read from the environment`() throws {
        let settings = try load([
            "LOCKSTEP_ALERT_WEBHOOK_URL": "https://hooks.example/a?token=t",
            "LOCKSTEP_ALERT_WEBHOOK_SECRET": secret,
            "LOCKSTEP_ALERT_SLACK": "o#ps/work#C0123", "LOCKSTEP_ALERT_BACKLOG": "high=30s, low=2h",
            "LOCKSTEP_ALERT_ERRORS": "0", "LOCKSTEP_ALERT_DEAD_LETTERS": "100",
            "LOCKSTEP_ALERT_COOLDOWN": "1h",
        ])
        let alerts = settings.alerts
        #expect(alerts.webhookURL?.secret.exposed == "https://hooks.example/a?token=t")
        #expect(alerts.webhookSecret?.exposed == secret)
        #expect(
            alerts.slack?.integration == IntegrationKey(userID: "o#ps", service: "slack", account: "work"))
        #expect(alerts.slack?.channel == "C0123")
        #expect(alerts.backlog == [.high: .seconds(30), .low: .seconds(7_200)])
        #expect(alerts.errors == 0 && alerts.deadLetters == 100 && alerts.cooldown == .seconds(3_600))
        let shown = settings.effective.map(\.value).joined(separator: " ") + "\(alerts)"
        #expect(!shown.contains("MDEy") && !shown.contains("=t"))
        #expect(try load(["LOCKSTEP_ALERT_BACKLOG": "OFF"]).alerts.backlog.isEmpty)
        #expect(
            try load(["LOCKSTEP_ALERT_SLACK": "ops#general"]).alerts.slack?.integration.account == "default")
    }

    @Test func `take the secret from a file too`() throws {
        let variables = [
            "LOCKSTEP_ALERT_WEBHOOK_URL": "https://hooks.example",
            "LOCKSTEP_ALERT_WEBHOOK_SECRET_FILE": "/run/secret",
        ]
        #expect(try load(variables).alerts.webhookSecret?.exposed == secret)
        #expect(throws: SettingsError.self) {
            try load(variables, file: .success(SecretString("whsec_eA==")))
        }
    }

    @Test func `are refused all at once, without a secret in the text`() throws {
        let found = try problems([
            "LOCKSTEP_ALERT_WEBHOOK_URL": "https://user:pw@hooks.example",
            "LOCKSTEP_ALERT_WEBHOOK_SECRET": "whsec_c2hvcnQ=",
            "LOCKSTEP_ALERT_SLACK": "ops", "LOCKSTEP_ALERT_BACKLOG": "high=1m,high=2m",
            "LOCKSTEP_ALERT_ERRORS": "many", "LOCKSTEP_ALERT_WEBHOK_URL": "x",
        ])
        #expect(found.count == 6)
        #expect(!found.joined().contains("c2hvcnQ") && !found.joined().contains("pw@"))
        #expect(found.last?.contains("did you mean LOCKSTEP_ALERT_WEBHOOK_URL?") == true)
    }

    @Test func `need an address and a secret together`() throws {
        #expect(
            try problems(["LOCKSTEP_ALERT_WEBHOOK_SECRET": secret])
                == [
                    "LOCKSTEP_ALERT_WEBHOOK_URL: not set, but LOCKSTEP_ALERT_WEBHOOK_SECRET is; allowed: both or none"
                ])
        #expect(
            try problems(["LOCKSTEP_ALERT_WEBHOOK_URL": "https://a"])
                == [
                    "LOCKSTEP_ALERT_WEBHOOK_SECRET: not set, but LOCKSTEP_ALERT_WEBHOOK_URL is; allowed: both or none"
                ])
    }
}
