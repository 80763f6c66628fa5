// SPDX-License-Identifier: Apache-2.0

import ConnectorKit

/// Checks a manifest against what its provider answers, and against a provider that fails.
public struct ConformanceSuite: Sendable {
    /// What one check of one stream found.
    public struct Finding: Sendable, Equatable {
        /// How a check ended.
        public enum Outcome: String, Sendable {
            case passed
            case broken
            /// The check means nothing for this stream.
            case skipped
        }

        /// The stream that was checked.
        public let stream: String
        /// What was checked.
        public let check: String
        /// How it ended.
        public let outcome: Outcome
        /// What was seen, for people; empty where there is nothing to say.
        public let detail: String
    }

    private let connector: ManifestConnector
    private let fixture: Fixture

    /// Loads a manifest and its fixture. Throws all that is wrong with the text of either.
    public init(
        manifest: String, file: String, fixture: String, fixtureFile: String
    ) throws(ManifestError) {
        connector = try ManifestLoader.load(manifest, file: file)
        self.fixture = try FixtureLoader.load(fixture, file: fixtureFile)
    }

    /// Runs all checks of all streams.
    public func run() async -> [Finding] {
        var findings: [Finding] = []
        for stream in connector.manifest.streams {
            let check = StreamCheck(connector: connector, fixture: fixture, stream: stream)
            findings += await check.run()
        }
        return findings
    }
}
