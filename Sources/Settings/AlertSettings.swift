// SPDX-License-Identifier: Apache-2.0

public import Model

/// What alerts are about, and whom they are told.
public struct AlertSettings: Sendable {
    /// Where messages into Slack go: an account that is connected to Lockstep, and a channel.
    public struct SlackTarget: Sendable, Equatable {
        /// The account.
        public let integration: IntegrationKey
        /// The channel's id, or its name.
        public let channel: String

        /// Reads `USER[/ACCOUNT]#CHANNEL`; nil for anything else. The last `#` counts.
        init?(_ text: String) {
            guard let mark = text.lastIndex(of: "#") else { return nil }
            let parts = text[..<mark].split(separator: "/", omittingEmptySubsequences: false).map(String.init)
            let channel = String(text[text.index(after: mark)...])
            let isName = parts.allSatisfy { part in
                (1...256).contains(part.utf8.count) && part.unicodeScalars.allSatisfy { $0.value >= 0x20 }
            }
            guard (1...2).contains(parts.count), isName, (1...100).contains(channel.utf8.count),
                channel.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
            else { return nil }
            integration = IntegrationKey(
                userID: parts[0], service: "slack",
                account: parts.count == 2 ? parts[1] : IntegrationKey.defaultAccount)
            self.channel = channel
        }

        var text: String { "\(integration.userID)/\(integration.account)#\(channel)" }
    }

    /// `LOCKSTEP_ALERT_WEBHOOK_URL`: where signed requests go.
    public let webhookURL: SettingURL?
    /// `LOCKSTEP_ALERT_WEBHOOK_SECRET` or `_SECRET_FILE`: what they are signed with; there when the URL is.
    public let webhookSecret: SecretString?
    /// `LOCKSTEP_ALERT_SLACK`.
    public let slack: SlackTarget?
    /// `LOCKSTEP_ALERT_BACKLOG`: how long the oldest ready job of a queue may have waited.
    public let backlog: [Queue: Duration]
    /// `LOCKSTEP_ALERT_ERRORS`: more failed requests of a service within 5 minutes are too many; zero watches none.
    public let errors: Int
    /// `LOCKSTEP_ALERT_DEAD_LETTERS`: so many within 10 minutes are too many; zero watches none.
    public let deadLetters: Int
    /// `LOCKSTEP_ALERT_COOLDOWN`: for how long a cause opens no second alert.
    public let cooldown: Duration

    private static let urlName = "LOCKSTEP_ALERT_WEBHOOK_URL"
    private static let secretName = "LOCKSTEP_ALERT_WEBHOOK_SECRET"
    private static let secretForm = "whsec_ and 24 to 64 bytes in Base64: whsec_$(openssl rand -base64 32)"
    private static let backlogForm =
        "queue=duration entries separated by commas, such as high=1m,default=10m, or off"

    static func read(
        _ environment: inout Environment, readFile: (String) -> Result<SecretString, SecretFile.Refusal>
    ) -> AlertSettings {
        let problems = environment.problems.count
        let url = environment.url(
            urlName, schemes: ["http", "https"],
            allowed: "https://host[:port][/path][?query] without user and fragment"
        ) { url in
            !url.authority.isEmpty && !url.authority.contains("@") && !url.rest.contains("#")
        }
        let secret = environment.secretOrFile(
            secretName, form: secretForm, isOneLine: true, readFile: readFile
        ) { isSecret($0.exposed) ? nil : "the secret has not this form" }
        if environment.problems.count == problems, (url == nil) != (secret == nil) {
            environment.report(
                url == nil ? urlName : secretName,
                "not set, but \(url == nil ? secretName : urlName) is", allowed: "both or none")
        }
        return AlertSettings(
            webhookURL: url, webhookSecret: secret?.value,
            slack: environment.optional(
                "LOCKSTEP_ALERT_SLACK",
                allowed:
                    "USER[/ACCOUNT]#CHANNEL, such as ops#C0123456789: an account that is connected to Slack",
                show: \.text, parse: SlackTarget.init),
            backlog: environment.value(
                "LOCKSTEP_ALERT_BACKLOG",
                default: [.high: .seconds(60), .default: .seconds(600), .low: .seconds(21_600)],
                allowed: backlogForm, show: Self.text, parse: Self.backlog),
            errors: environment.integer("LOCKSTEP_ALERT_ERRORS", default: 10, in: 0...1_000_000),
            deadLetters: environment.integer("LOCKSTEP_ALERT_DEAD_LETTERS", default: 10, in: 0...10_000),
            cooldown: environment.duration(
                "LOCKSTEP_ALERT_COOLDOWN", default: .seconds(600), in: .zero ... .seconds(86_400)))
    }

    /// Whether a text is `whsec_` and the Base64 of 24 to 64 bytes.
    private static func isSecret(_ text: String) -> Bool {
        guard text.hasPrefix("whsec_") else { return false }
        let encoded = Array(text.utf8.dropFirst(6))
        let body = encoded.prefix { $0 != UInt8(ascii: "=") }
        let padding = encoded.count - body.count
        let isBase64 = body.allSatisfy { byte in
            (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20) || byte == UInt8(ascii: "+")
                || byte == UInt8(ascii: "/")
        }
        return isBase64 && encoded.count % 4 == 0 && padding <= 2
            && encoded[body.count...].allSatisfy { $0 == UInt8(ascii: "=") }
            && (24...64).contains(encoded.count / 4 * 3 - padding)
    }

    private static func backlog(_ text: String) -> [Queue: Duration]? {
        if text.lowercased() == "off" { return [:] }
        var objectives: [Queue: Duration] = [:]
        for element in text.split(separator: ",", omittingEmptySubsequences: false) {
            let parts = element.split(separator: "=", omittingEmptySubsequences: false).map { part in
                part.filter { $0 != " " }
            }
            guard parts.count == 2, let queue = Queue(rawValue: parts[0]),
                let limit = Duration(settingText: parts[1]), limit >= .seconds(1),
                objectives.updateValue(limit, forKey: queue) == nil
            else { return nil }
        }
        return objectives
    }

    private static func text(_ backlog: [Queue: Duration]) -> String {
        backlog.isEmpty
            ? "off"
            : backlog.sorted { $0.key < $1.key }.map { "\($0.key.rawValue)=\($0.value.settingText)" }
                .joined(separator: ",")
    }
}
