// SPDX-License-Identifier: Apache-2.0

import Model
import Testing

@testable import Settings

@Suite struct `The secret of a service's webhooks` {
    private static func load(
        _ variables: [String: String],
        readFile: (String) -> Result<SecretString, SecretFile.Refusal> = { _ in
            .failure(SecretFile.Refusal(reason: "the file is not there"))
        }
    ) throws(SettingsError) -> ClusterSettings {
        try ClusterSettings.load(variables, requiring: [], readFile: readFile)
    }

    @Test func `is a variable or a file, by the service's name`() throws {
        let settings = try Self.load(
            [
                "LOCKSTEP_WEBHOOK_SLACK_SECRET": "s3cr3t",
                "LOCKSTEP_WEBHOOK_GOOGLE_CALENDAR_SECRET_FILE": "/run/secret",
            ],
            readFile: {
                $0 == "/run/secret" ? .success(SecretString("a\nb\n")) : .failure(.init(reason: "no"))
            })

        #expect(settings.webhookSecret(for: "slack")?.exposed == "s3cr3t")
        #expect(settings.webhookSecret(for: "google-calendar")?.exposed == "a\nb\n")
        #expect(settings.webhookSecret(for: "stripe") == nil)
        #expect(
            settings.effective.contains { $0.name == "LOCKSTEP_WEBHOOK_SLACK_SECRET" && $0.value == "***" })
    }

    @Test(arguments: [
        ["LOCKSTEP_WEBHOOK_SLACK_SECRET": "a", "LOCKSTEP_WEBHOOK_SLACK_SECRET_FILE": "/f"],
        ["LOCKSTEP_WEBHOOK_SLACK_SECRET_FILE": "/f"], ["LOCKSTEP_WEBHOOK_SLACK_SECRETS": "a"],
        ["LOCKSTEP_WEBHOOK__SECRET": "a"],
    ])
    func `is refused in another form`(variables: [String: String]) {
        let error = #expect(throws: SettingsError.self) { try Self.load(variables) }
        #expect(error?.message.contains("LOCKSTEP_WEBHOOK_") == true)
    }
}
