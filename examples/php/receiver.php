<?php

declare(strict_types=1);

/*
 * A webhook receiver that believes only what verifies. See ../README.md for its settings.
 *
 *     php -S 127.0.0.1:8080 receiver.php
 */

require __DIR__ . '/verify.php';

const MAX_BODY = 2 << 20; // bytes

function answer(int $status, string $text): never
{
    http_response_code($status);
    header('Content-Type: text/plain; charset=utf-8');
    echo $text;
    exit;
}

if ($_SERVER['REQUEST_METHOD'] !== 'POST') {
    answer(405, 'only POST');
}
$body = file_get_contents('php://input', false, null, 0, MAX_BODY + 1);
if ($body === false || strlen($body) > MAX_BODY) {
    answer(413, 'the body has over ' . MAX_BODY . ' bytes');
}
$headers = array_change_key_case(getallheaders());
$secrets = file(getenv('WEBHOOK_SECRETS_FILE'), FILE_IGNORE_NEW_LINES | FILE_SKIP_EMPTY_LINES);
$verify = match (getenv('WEBHOOK_PROFILE')) {
    'vantageclaw' => verify_vantageclaw(...),
    'clawbook' => verify_clawbook(...),
    'vantagekit' => verify_vantagekit(...),
    'vntana' => verify_vntana(...),
    'standard' => verify_standard(...),
};
try {
    $id = $verify($secrets, $headers, $body);
} catch (Refused $refused) {
    answer(401, $refused->getMessage());
}
// Deliveries come at least once: store the id together with the work, and if it is there already, only answer.
$message = json_decode($body, true, 512, JSON_THROW_ON_ERROR);
error_log('received ' . ($message['type'] ?? $message['event']) . " $id");
answer(200, "received $id");
