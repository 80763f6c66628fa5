// SPDX-License-Identifier: Apache-2.0

import Model
import Settings
import Testing

@Suite struct `The OAuth clients of an environment` {
    private func load(_ variables: [String: String]) throws -> ClusterSettings {
        try ClusterSettings.load(variables, requiring: []) { path in
            path == "/run/secret"
                ? .success(SecretString("from a file\n")) : .failure(.init(reason: "\(path) cannot be read"))
        }
    }

    @Test func `are found by their service`() throws {
        let settings = try load([
            "LOCKSTEP_OAUTH_GOOGLE_CALENDAR_CLIENT_ID": "id-1",
            "LOCKSTEP_OAUTH_GOOGLE_CALENDAR_CLIENT_SECRET": "s-1",
            "LOCKSTEP_OAUTH_SLACK_CLIENT_ID": "id-2",
            "LOCKSTEP_OAUTH_SLACK_CLIENT_SECRET_FILE": "/run/secret",
            "LOCKSTEP_OAUTH_SLACK_SCOPES": "chat:write, files:write",
            "LOCKSTEP_OAUTH_OPEN_CLIENT_ID": "id-3",
        ])

        #expect(settings.oauthClient(for: "google-calendar")?.id == "id-1")
        #expect(settings.oauthClient(for: "google-calendar")?.secret == SecretString("s-1"))
        #expect(settings.oauthClient(for: "slack")?.secret == SecretString("from a file"))
        #expect(settings.oauthClient(for: "slack")?.scopes == ["chat:write", "files:write"])
        #expect(settings.oauthClient(for: "open")?.secret == nil)
        #expect(settings.oauthClient(for: "open")?.scopes == [])
        #expect(settings.oauthClient(for: "stripe") == nil)
        #expect(!settings.effective.contains { $0.value.contains("s-1") })
    }

    @Test(arguments: [
        (["LOCKSTEP_OAUTH_A_CLIENT_SECRET": "hidden"], "LOCKSTEP_OAUTH_A_CLIENT_ID: not set"),
        (
            [
                "LOCKSTEP_OAUTH_A_CLIENT_ID": "a", "LOCKSTEP_OAUTH_A_CLIENT_SECRET": "hidden",
                "LOCKSTEP_OAUTH_A_CLIENT_SECRET_FILE": "/run/secret",
            ], "LOCKSTEP_OAUTH_A_CLIENT_SECRET_FILE: set together"
        ),
        (
            ["LOCKSTEP_OAUTH_A_CLIENT_ID": "a", "LOCKSTEP_OAUTH_A_CLIENT_SECRET_FILE": "/nowhere"],
            "/nowhere cannot be read"
        ),
        (["LOCKSTEP_OAUTH_A_SCOPES": "x"], "LOCKSTEP_OAUTH_A_CLIENT_ID: not set, although there are scopes"),
        (
            ["LOCKSTEP_OAUTH_A_CLIENT_ID": "a", "LOCKSTEP_OAUTH_A_SCOPES": "a\"b"],
            "LOCKSTEP_OAUTH_A_SCOPES"
        ),
        (["LOCKSTEP_OAUTH_A_CLIENTID": "a"], "LOCKSTEP_OAUTH_A_CLIENTID: unknown variable"),
    ])
    func `are refused with the name and the problem`(variables: [String: String], problem: String) throws {
        let error = try #require(throws: SettingsError.self) { try load(variables) }
        #expect(error.message.contains(problem), "\(error.message)")
        #expect(!error.message.contains("hidden"))
    }
}
