// SPDX-License-Identifier: Apache-2.0

/// The manifests that ship: the files of this folder, embedded when the program is built.
public enum BuiltinManifests {
    /// The manifests that ship, with the names of their files.
    public static let all: [(file: String, text: String)] = [
        ("airtable.yaml", text(PackageResources.airtable_yaml)),
        ("asana.yaml", text(PackageResources.asana_yaml)),
        ("github.yaml", text(PackageResources.github_yaml)),
        ("gmail.yaml", text(PackageResources.gmail_yaml)),
        ("google-calendar.yaml", text(PackageResources.google_calendar_yaml)),
        ("hubspot.yaml", text(PackageResources.hubspot_yaml)),
        ("intercom.yaml", text(PackageResources.intercom_yaml)),
        ("jira.yaml", text(PackageResources.jira_yaml)),
        ("linear.yaml", text(PackageResources.linear_yaml)),
        ("notion.yaml", text(PackageResources.notion_yaml)),
        ("pagerduty.yaml", text(PackageResources.pagerduty_yaml)),
        ("salesforce.yaml", text(PackageResources.salesforce_yaml)),
        ("shopify.yaml", text(PackageResources.shopify_yaml)),
        ("slack.yaml", text(PackageResources.slack_yaml)),
        ("stripe.yaml", text(PackageResources.stripe_yaml)),
        ("zendesk.yaml", text(PackageResources.zendesk_yaml)),
    ]

    private static func text(_ bytes: [UInt8]) -> String {
        String(decoding: bytes, as: UTF8.self)
    }
}
